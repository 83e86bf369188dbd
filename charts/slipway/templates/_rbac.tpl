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
- {apiGroups: [""], resources: [services], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
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
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [{{ include "slipway.electionID" . }}], verbs: [get, update, watch]}
{{- if include "slipway.rbac.status" . }}
- {apiGroups: [""], resources: [pods], verbs: [get, list]}
{{- end }}
{{- end -}}

{{/*
Rules for objects that a flag names, as JSON: namespace to a list of rules. Those that are read with all others of their kind are
left out.
*/}}
{{- define "slipway.rbac.named" -}}
{{- $flags := include "slipway.flags" . | fromJson -}}
{{- $scope := include "slipway.scope" . -}}
{{- $secrets := .Values.rbac.secretNamespaces -}}
{{- $rules := list (list (get $flags "configmap") "" "configmaps" "list, watch") -}}
{{- if include "slipway.rbac.status" . -}}
{{- $rules = append $rules (list (get $flags "publish-service") "" "services" "get") -}}
{{- end -}}
{{- with get $flags "default-ssl-certificate" -}}
{{- $namespace := splitList "/" . | first -}}
{{- $read := ternary (has $namespace $secrets) (or (eq $scope "") (eq $scope $namespace)) (gt (len $secrets) 0) -}}
{{- if not $read }}{{ $rules = append $rules (list . "" "secrets" "get, list, watch") }}{{ end -}}
{{- end -}}
{{- with get $flags "default-backend-service" -}}
{{- if and $scope (ne $scope (splitList "/" . | first)) -}}
{{- $rules = append $rules (list . "" "services" "list, watch") -}}
{{- $rules = append $rules (list (printf "%s/" (splitList "/" . | first)) "discovery.k8s.io" "endpointslices" "list, watch") -}}
{{- end -}}
{{- end -}}
{{- $found := dict -}}
{{- range $rules -}}
{{- $object := splitList "/" (index . 0) -}}
{{- if eq (len $object) 2 -}}
{{- $names := ternary (printf " resourceNames: [%s]," (last $object)) "" (ne (last $object) "") -}}
{{- $group := ternary "\"\"" (index . 1) (eq (index . 1) "") -}}
{{- $rule := printf "{apiGroups: [%s], resources: [%s],%s verbs: [%s]}" $group (index . 2) $names (index . 3) -}}
{{- $_ := set $found (first $object) (append (default (list) (get $found (first $object))) $rule) -}}
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
