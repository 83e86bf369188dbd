{{/* Where `helm test` finds the controller. */}}

{{- define "slipway.test.host" -}}
test.{{ include "slipway.fullname" . }}.invalid
{{- end -}}

{{/* "service", "node" or "address"; empty when nothing exposes the controller. */}}
{{- define "slipway.test.way" -}}
{{- $c := .Values.controller -}}
{{- if .Values.test.address -}}address
{{- else if and $c.service.enabled (or $c.service.external.enabled $c.service.internal.enabled) -}}service
{{- else if or $c.hostPort.enabled $c.hostNetwork -}}node
{{- end -}}
{{- end -}}

{{/* The port for "http" or "https" on that way: (dict "root" $ "name" NAME). */}}
{{- define "slipway.test.port" -}}
{{- $c := .root.Values.controller -}}
{{- $way := include "slipway.test.way" .root -}}
{{- if eq $way "service" -}}
{{- int (get $c.service.ports .name) -}}
{{- else if or $c.hostNetwork (not $c.hostPort.enabled) -}}
{{- int (get $c.containerPort .name) -}}
{{- else -}}
{{- int (get $c.hostPort.ports .name) -}}
{{- end -}}
{{- end -}}

{{/*
Arguments that send curl there: (dict "root" $ "name" NAME). A Service is found by the variable that Kubernetes gives to every pod of
its namespace, so that DNS is not needed.
*/}}
{{- define "slipway.test.target" -}}
{{- $host := include "slipway.test.host" .root -}}
{{- $port := include "slipway.test.port" . -}}
{{- $way := include "slipway.test.way" .root -}}
{{- if eq $way "address" -}}
- --connect-to
- {{ printf "::%s:%s" .root.Values.test.address $port | quote }}
{{- else -}}
{{- $external := .root.Values.controller.service.external.enabled -}}
{{- $service := printf "%s%s" (include "slipway.controller" .root) (ternary "" "-internal" $external) -}}
{{- $variable := ternary (printf "%s_SERVICE_HOST" ($service | upper | replace "-" "_")) "HOST_IP" (eq $way "service") -}}
- --resolve
- {{ printf "%s:%s:$(%s)" $host $port $variable | quote }}
{{- end }}
- {{ printf "%s://%s:%s/" .name $host $port | quote }}
{{- end -}}
