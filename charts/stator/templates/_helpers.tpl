{{/* The name of everything that belongs to the operator. */}}
{{- define "stator.name" -}}
{{- printf "%s-operator" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "stator.selector" -}}
app.kubernetes.io/name: stator
app.kubernetes.io/component: operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "stator.labels" -}}
{{ include "stator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* image NAME: registry/stator-NAME:tag */}}
{{- define "stator.image" -}}
{{- $root := index . 0 -}}
{{- printf "%s/stator-%s:%s" $root.Values.images.registry (index . 1) (default $root.Chart.AppVersion $root.Values.images.tag) -}}
{{- end -}}
