{{/*
What the controller may do, one rule a line so that docs/rbac.md can be compared with it. Everything is derived from the flags that
the pod gets.
*/}}

{{/* "true" when addresses are written into the status of Ingresses. */}}
{{- define "slipway.rbac.status" -}}
{{- $flags := include "slipway.flags" . | fromJson -}}
{{- if ne (toString (get $flags "update-status")) "false" }}true{{ end -}}
{{- end -}}

{{/* "true" when these addresses are those of nodes. */}}
{{- define "slipway.rbac.nodes" -}}
{{- $flags := include "slipway.flags" . | fromJson -}}
{{- if and (include "slipway.rbac.status" .) (not (get $flags "publish-service")) (not (get $flags "publish-status-address")) }}true{{ end -}}
{{- end -}}

{{/* Rules for each namespace whose Ingresses are served. */}}
{{- define "slipway.rbac.watched" -}}
- {apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [list, watch]}
{{- if include "slipway.rbac.status" . }}
- {apiGroups: [networking.k8s.io], resources: [ingresses/status], verbs: [patch]}
{{- end }}
- {apiGroups: [""], resources: [services], verbs: [get, list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
{{- if not .Values.rbac.secretNamespaces }}
- {apiGroups: [""], resources: [secrets], verbs: [get, list, watch]}
{{- end }}
- {apiGroups: [""], resources: [events], verbs: [create, delete, list, patch]}
{{- end -}}

{{/* Rules for what only the whole cluster has. */}}
{{- define "slipway.rbac.cluster" -}}
- {apiGroups: [networking.k8s.io], resources: [ingressclasses], verbs: [list, watch]}
{{- if and .Values.controller.scope.namespaceSelector (not .Values.controller.scope.enabled) }}
- {apiGroups: [""], resources: [namespaces], verbs: [list, watch]}
{{- end }}
{{- if include "slipway.rbac.nodes" . }}
- {apiGroups: [""], resources: [nodes], verbs: [get]}
{{- end }}
{{- end -}}

{{/* Rules for the release's own namespace. */}}
{{- define "slipway.rbac.own" -}}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [{{ include "slipway.electionID" . }}], verbs: [get, list, update, watch]}
- {apiGroups: [""], resources: [pods], verbs: [get, list]}
{{- end -}}

{{/*
Rules for objects that a flag names and that lie outside of what is read anyway, as JSON: namespace to a list of rules.
*/}}
{{- define "slipway.rbac.named" -}}
{{- $flags := include "slipway.flags" . | fromJson -}}
{{- $scope := include "slipway.scope" . -}}
{{- $found := dict -}}
{{- $configMap := splitList "/" (get $flags "configmap") -}}
{{- $_ := set $found (first $configMap) (list (printf "{apiGroups: [\"\"], resources: [configmaps], resourceNames: [%s], verbs: [get, list, watch]}" (last $configMap))) -}}
{{- range $flag, $resource := dict "default-ssl-certificate" "secrets" "default-backend-service" "services" "publish-service" "services" -}}
{{- $object := splitList "/" (default "" (get $flags $flag)) -}}
{{- $namespace := first $object -}}
{{- $covered := ternary (has $namespace $.Values.rbac.secretNamespaces) (or (eq $scope "") (eq $scope $namespace)) (and (eq $resource "secrets") (gt (len $.Values.rbac.secretNamespaces) 0)) -}}
{{- if and (eq (len $object) 2) (not $covered) -}}
{{- $rules := default (list) (get $found $namespace) -}}
{{- $rules = append $rules (printf "{apiGroups: [\"\"], resources: [%s], resourceNames: [%s], verbs: [get, list, watch]}" $resource (last $object)) -}}
{{- if eq $flag "default-backend-service" -}}
{{- $rules = append $rules "{apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}" -}}
{{- end -}}
{{- $_ := set $found $namespace $rules -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* A Role and its binding: (dict "root" $ "name" NAME "namespace" NAMESPACE "rules" TEXT). Without namespace: for the cluster. */}}
{{- define "slipway.rbac.role" -}}
{{- $prefix := ternary "" "Cluster" (ne .namespace "") -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $prefix }}Role
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "slipway.controllerLabels" .root | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $prefix }}RoleBinding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "slipway.controllerLabels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $prefix }}Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "slipway.serviceAccount" .root }}
    namespace: {{ include "slipway.namespace" .root }}
{{- end -}}
