//go:build tools

// Package tools names the command that the local cluster runs, so that go.mod and go.sum
// pin it and everything it is made of.
package tools

import (
	_ "helm.sh/helm/v3/cmd/helm"
)
