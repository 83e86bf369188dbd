{{/* The service proxy: a pod on every node in the place of kube-proxy. */}}

{{- define "slipway.serviceProxy" -}}
{{- printf "%s-%s" (include "slipway.fullname" .) .Values.serviceProxy.name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "slipway.serviceProxy.account" -}}
{{- $account := .Values.serviceProxy.serviceAccount -}}
{{- if $account.create -}}
{{- default (include "slipway.serviceProxy" .) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}

{{/* What makes a pod one of the service proxy's. */}}
{{- define "slipway.serviceProxy.selectorLabels" -}}
app.kubernetes.io/name: {{ include "slipway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .Values.serviceProxy.name }}
{{- end -}}

{{- define "slipway.serviceProxy.labels" -}}
{{ toYaml (merge (include "slipway.serviceProxy.selectorLabels" . | fromYaml) (include "slipway.labels" . | fromYaml)) }}
{{- end -}}

{{/* Its flags as JSON: what the values say, then `serviceProxy.extraArgs` over it. */}}
{{- define "slipway.serviceProxy.args" -}}
{{- $p := .Values.serviceProxy -}}
{{- $flags := dict -}}
{{- with $p.clusterCIDR }}{{ $_ := set $flags "cluster-cidr" . }}{{ end -}}
{{- with $p.detectLocalMode }}{{ $_ := set $flags "detect-local-mode" . }}{{ end -}}
{{- with $p.nodePortAddresses }}{{ $_ := set $flags "nodeport-addresses" (join "," .) }}{{ end -}}
{{- if $p.masqueradeAll }}{{ $_ := set $flags "masquerade-all" "true" }}{{ end -}}
{{- if ne $p.mode "nftables" }}{{ $_ := set $flags "mode" $p.mode }}{{ end -}}
{{- if ne (int $p.healthzPort) 10256 }}{{ $_ := set $flags "healthz-address" (printf "0.0.0.0:%d" (int $p.healthzPort)) }}{{ end -}}
{{- if ne $p.metricsAddress "127.0.0.1:10249" }}{{ $_ := set $flags "metrics-address" $p.metricsAddress }}{{ end -}}
{{- $own := include "slipway.serviceProxyFlags" . | splitList "\n" | join " " | splitList " " -}}
{{- range $name, $value := $p.extraArgs -}}
{{- if eq $name "healthz-address" -}}
{{- fail "serviceProxy.extraArgs.healthz-address: the probes depend on it, so write it as serviceProxy.healthzPort" -}}
{{- else if not (has $name $own) -}}
{{- fail (printf "serviceProxy.extraArgs.%s: slipway service-proxy has no such flag; it has %s" $name (join ", " $own)) -}}
{{- end -}}
{{- if kindIs "slice" $value -}}
{{- $texts := list -}}
{{- range $value }}{{ $texts = append $texts (include "slipway.text" .) }}{{ end -}}
{{- $_ := set $flags $name $texts -}}
{{- else -}}
{{- $_ := set $flags $name (include "slipway.text" $value) -}}
{{- end -}}
{{- end -}}
{{- toJson $flags -}}
{{- end -}}

{{/*
The kernel's tables need CAP_NET_ADMIN, which a process that is not root does not get: so it is uid 0 with every other capability
dropped. In userspace mode no table is written, but ports below 1024 of the host are listened on.
*/}}
{{- define "slipway.serviceProxy.securityContext" -}}
runAsNonRoot: false
runAsUser: 0
runAsGroup: 0
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
  add: [{{ ternary "NET_BIND_SERVICE" "NET_ADMIN" (eq .Values.serviceProxy.mode "userspace") }}]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "slipway.serviceProxy.env" -}}
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- with .Values.serviceProxy.apiServer }}
{{- if .host }}
- name: KUBERNETES_SERVICE_HOST
  value: {{ .host | quote }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ int .port | quote }}
{{- end }}
{{- end }}
{{- with .Values.serviceProxy.extraEnvs }}
{{ toYaml . }}
{{- end }}
{{- end -}}
