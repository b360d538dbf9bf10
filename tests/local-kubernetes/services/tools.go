//go:build tools

// Package tools names the commands that the local cluster runs, so that go.mod and go.sum
// pin them and everything they are made of.
package tools

import (
	_ "github.com/coredns/coredns"
	_ "go.etcd.io/etcd/server/v3"
)
