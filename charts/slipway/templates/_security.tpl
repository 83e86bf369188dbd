{{/* Who the controller runs as, and what it may do. */}}

{{/* "true" when a port below 1024 is listened on. */}}
{{- define "slipway.lowPorts" -}}
{{- $ports := .Values.controller.containerPort -}}
{{- if or (lt (int $ports.http) 1024) (lt (int $ports.https) 1024) }}true{{ end -}}
{{- end -}}

{{/*
A process that is not root and may not gain privileges gets no capability, so it listens on 80 and 443 because the pod's own
network says that these ports need none (a sysctl that Kubernetes calls safe). The host's network cannot be told so: there the
process is uid 0 with every capability dropped but NET_BIND_SERVICE.
*/}}
{{- define "slipway.rootOnHost" -}}
{{- if and .Values.controller.hostNetwork (include "slipway.lowPorts" .) }}true{{ end -}}
{{- end -}}

{{- define "slipway.containerSecurityContext" -}}
{{- $image := .Values.controller.image -}}
{{- $own := .Values.controller.containerSecurityContext -}}
{{- $user := $image.runAsUser -}}
{{- $group := $image.runAsGroup -}}
{{- if include "slipway.rootOnHost" . -}}
{{- if and (not (hasKey $own "runAsUser")) (or (and (ne (toString $user) "") (ne (toString $user) "0")) (eq (toString $image.runAsNonRoot) "true")) -}}
{{- fail "controller.hostNetwork with a port below 1024 needs uid 0 (every capability but NET_BIND_SERVICE is dropped): leave controller.image.runAsUser and runAsNonRoot out, or set controller.containerPort to ports from 1024 on. Where the nodes' net.ipv4.ip_unprivileged_port_start allows these ports, set controller.containerSecurityContext.runAsUser" -}}
{{- end -}}
{{- $user = 0 -}}
{{- $group = ternary 0 $group (eq (toString $group) "") -}}
{{- end -}}
{{- $user = ternary 65532 $user (eq (toString $user) "") -}}
{{- $group = ternary 65532 $group (eq (toString $group) "") -}}
{{- $nonRoot := ternary (ne (int $user) 0) $image.runAsNonRoot (eq (toString $image.runAsNonRoot) "") -}}
{{- if hasKey $own "runAsUser" }}{{ $nonRoot = ne (int $own.runAsUser) 0 }}{{ end -}}
{{- $capabilities := dict "drop" (list "ALL") -}}
{{- if include "slipway.lowPorts" . }}{{ $_ := set $capabilities "add" (list "NET_BIND_SERVICE") }}{{ end -}}
{{- $context := dict
      "runAsNonRoot" $nonRoot
      "runAsUser" (int $user)
      "runAsGroup" (int $group)
      "allowPrivilegeEscalation" $image.allowPrivilegeEscalation
      "readOnlyRootFilesystem" $image.readOnlyRootFilesystem
      "capabilities" $capabilities
      "seccompProfile" $image.seccompProfile -}}
{{- toYaml (mergeOverwrite $context (deepCopy $own)) -}}
{{- end -}}

{{- define "slipway.podSecurityContext" -}}
{{- $context := deepCopy .Values.controller.podSecurityContext -}}
{{- $sysctls := deepCopy .Values.controller.sysctls -}}
{{- if and (include "slipway.lowPorts" .) (not .Values.controller.hostNetwork) (not (hasKey $sysctls "net.ipv4.ip_unprivileged_port_start")) -}}
{{- $_ := set $sysctls "net.ipv4.ip_unprivileged_port_start" "0" -}}
{{- end -}}
{{- $list := default (list) $context.sysctls -}}
{{- range $name, $value := $sysctls }}{{ $list = append $list (dict "name" $name "value" (include "slipway.text" $value)) }}{{ end -}}
{{- if $list }}{{ $_ := set $context "sysctls" $list }}{{ end -}}
{{- if $context }}{{ toYaml $context }}{{ end -}}
{{- end -}}

{{/* The security context of a pod of ours that only makes requests. */}}
{{- define "slipway.restricted" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}
