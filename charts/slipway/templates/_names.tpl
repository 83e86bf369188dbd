{{/* Names, labels and references that several objects share. */}}

{{- define "slipway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The release's name, with the chart's in it. */}}
{{- define "slipway.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "slipway.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "slipway.controller" -}}
{{- printf "%s-%s" (include "slipway.fullname" .) .Values.controller.name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "slipway.admission" -}}
{{- printf "%s-admission" (include "slipway.fullname" .) -}}
{{- end -}}

{{- define "slipway.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "slipway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "slipway.labels" -}}
{{ toYaml (merge (include "slipway.ownLabels" . | fromYaml) .Values.commonLabels) }}
{{- end -}}

{{- define "slipway.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "slipway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ include "slipway.name" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Labels of the objects that make up the controller, those of `controller.labels` too. */}}
{{- define "slipway.controllerLabels" -}}
{{ toYaml (merge (include "slipway.selectorLabels" . | fromYaml) .Values.controller.labels (include "slipway.labels" . | fromYaml)) }}
{{- end -}}

{{/* What makes a pod one of the controller's. */}}
{{- define "slipway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "slipway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .Values.controller.name }}
{{- end -}}

{{/* The controller's image. */}}
{{- define "slipway.image" -}}
{{- $image := .Values.controller.image -}}
{{- if hasSuffix "ingress-nginx/controller" (default $image.image $image.repository) -}}
{{- fail "controller.image is ingress-nginx's own: leave controller.image out of the values, or name Slipway's image there" -}}
{{- end -}}
{{- $registry := default .Values.global.image.registry $image.registry -}}
{{- $repository := $image.repository | default (ternary (printf "%s/%s" $registry $image.image) $image.image (ne $registry "")) -}}
{{- $digest := ternary (printf "@%s" $image.digest) "" (ne $image.digest "") -}}
{{- printf "%s:%s%s" $repository (default .Chart.AppVersion $image.tag) $digest -}}
{{- end -}}

{{/* The namespace to which the controller is limited; empty when it is not. */}}
{{- define "slipway.scope" -}}
{{- if .Values.controller.scope.enabled -}}
{{- default (include "slipway.namespace" .) .Values.controller.scope.namespace -}}
{{- end -}}
{{- end -}}

{{- define "slipway.electionID" -}}
{{- default (printf "%s-leader" (include "slipway.fullname" .)) .Values.controller.electionID -}}
{{- end -}}

{{- define "slipway.configMapNamespace" -}}
{{- default (include "slipway.namespace" .) .Values.controller.configMapNamespace -}}
{{- end -}}

{{/* The Service whose addresses the Ingresses get, as NAMESPACE/NAME; empty when the nodes' addresses are published. */}}
{{- define "slipway.publishService" -}}
{{- $service := .Values.controller.service -}}
{{- if .Values.controller.publishService.enabled -}}
{{- if .Values.controller.publishService.pathOverride -}}
{{- .Values.controller.publishService.pathOverride -}}
{{- else if and $service.enabled $service.external.enabled -}}
{{- printf "%s/%s" (include "slipway.namespace" .) (include "slipway.controller" .) -}}
{{- else if and $service.enabled $service.internal.enabled -}}
{{- printf "%s/%s-internal" (include "slipway.namespace" .) (include "slipway.controller" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
