{{/* When the controller counts as ready, and how it ends. */}}

{{/*
A probe as it is sent: (dict "root" $ "name" NAME). It asks where health is served, when that is one address only.

ingress-nginx has one path for all probes. Slipway's /healthz says that the process serves, /readyz that requests are answered from a
complete set of rules; a readiness probe that asks the former (in a values file from ingress-nginx) is sent to the latter.
*/}}
{{- define "slipway.probe" -}}
{{- $probe := deepCopy (get .root.Values.controller .name) -}}
{{- $host := .root.Values.controller.healthCheckHost -}}
{{- with $probe.httpGet -}}
{{- if and (eq $.name "readinessProbe") (eq (toString .path) "/healthz") }}{{ $_ := set . "path" "/readyz" }}{{ end -}}
{{- if and $host (not .host) }}{{ $_ := set . "host" $host }}{{ end -}}
{{- end -}}
{{- if $probe }}{{ toYaml $probe }}{{ end -}}
{{- end -}}

{{/*
One handler only: `sleep` is the chart's and gives way to any other. The image has no /wait-shutdown (nor a shell), which a values
file from ingress-nginx runs; it would wait for connections to end, which Slipway does by itself.
*/}}
{{- define "slipway.lifecycle" -}}
{{- $lifecycle := deepCopy .Values.controller.lifecycle -}}
{{- $stop := default (dict) $lifecycle.preStop -}}
{{- if eq (dig "exec" "command" (list) $stop | join " ") "/wait-shutdown" }}{{ $stop = omit $stop "exec" }}{{ end -}}
{{- if or $stop.exec $stop.httpGet $stop.tcpSocket (include "slipway.graceWithoutSleep" .) (le (int (dig "sleep" "seconds" 0 $stop)) 0) -}}
{{- $stop = omit $stop "sleep" -}}
{{- end -}}
{{- $lifecycle = omit $lifecycle "preStop" -}}
{{- if $stop }}{{ $_ := set $lifecycle "preStop" $stop }}{{ end -}}
{{- if $lifecycle }}{{ toYaml $lifecycle }}{{ end -}}
{{- end -}}

{{/* Kubernetes before 1.30 has no `sleep`: there the program itself serves on for that long; empty otherwise. */}}
{{- define "slipway.graceWithoutSleep" -}}
{{- $stop := default (dict) .Values.controller.lifecycle.preStop -}}
{{- $seconds := int (dig "sleep" "seconds" 0 $stop) -}}
{{- if and (gt $seconds 0) (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) }}{{ $seconds }}{{ end -}}
{{- end -}}
