{{/* The program's flags: what the values say, then `controller.extraArgs` over it. */}}

{{/* All flags of the controller as JSON: name to text, or to a list of texts. RBAC is derived from them, too. */}}
{{- define "slipway.flags" -}}
{{- $c := .Values.controller -}}
{{- $namespace := include "slipway.namespace" . -}}
{{- $flags := dict
      "ingress-class" (default $c.ingressClassResource.name $c.ingressClass)
      "controller-class" $c.ingressClassResource.controllerValue
      "configmap" (printf "%s/%s" (include "slipway.configMapNamespace" .) (include "slipway.controller" .))
      "election-id" (include "slipway.electionID" .) -}}
{{- with include "slipway.publishService" . }}{{ $_ := set $flags "publish-service" . }}{{ end -}}
{{- if $c.scope.enabled -}}
{{- $_ := set $flags "watch-namespace" (include "slipway.scope" .) -}}
{{- else if $c.scope.namespaceSelector -}}
{{- $_ := set $flags "watch-namespace-selector" $c.scope.namespaceSelector -}}
{{- end -}}
{{- if $c.watchIngressWithoutClass }}{{ $_ := set $flags "watch-ingress-without-class" "true" }}{{ end -}}
{{- if or $c.ingressClassByName .Values.rbac.scope }}{{ $_ := set $flags "ingress-class-by-name" "true" }}{{ end -}}
{{- if $c.reportNodeInternalIp }}{{ $_ := set $flags "report-node-internal-ip-address" "true" }}{{ end -}}
{{- with $c.electionTTL }}{{ $_ := set $flags "election-ttl" . }}{{ end -}}
{{- with $c.healthCheckHost }}{{ $_ := set $flags "healthz-host" . }}{{ end -}}
{{- range list (list "http-port" $c.containerPort.http 80) (list "https-port" $c.containerPort.https 443) (list "healthz-port" $c.metrics.port 10254) -}}
{{- if ne (int (index . 1)) (index . 2) }}{{ $_ := set $flags (index . 0) (toString (int (index . 1))) }}{{ end -}}
{{- end -}}
{{- if $c.admissionWebhooks.enabled -}}
{{- $_ := set $flags "admission-port" (toString (int $c.admissionWebhooks.port)) -}}
{{- $_ := set $flags "admission-certificate" $c.admissionWebhooks.certificate -}}
{{- $_ := set $flags "admission-key" $c.admissionWebhooks.key -}}
{{- end -}}
{{- with include "slipway.graceWithoutSleep" . }}{{ $_ := set $flags "shutdown-grace-period" . }}{{ end -}}
{{- $own := include "slipway.ownFlags" . | splitList "\n" | join " " | splitList " " -}}
{{- $nginx := include "slipway.nginxFlags" . | splitList "\n" | join " " | splitList " " -}}
{{- $absent := include "slipway.absentFlags" . | splitList "\n" | join " " | splitList " " -}}
{{- $rights := dict "election-id" "controller.electionID" "watch-namespace" "controller.scope.enabled and controller.scope.namespace" "watch-namespace-selector" "controller.scope.namespaceSelector" "election-namespace" "namespaceOverride" -}}
{{- range $name, $value := $c.extraArgs -}}
{{- if hasKey $rights $name -}}
{{- fail (printf "controller.extraArgs.%s: the controller's rights depend on it, so write it as %s" $name (get $rights $name)) -}}
{{- else if has $name $absent -}}
{{- fail (printf "controller.extraArgs.%s asks for something that Slipway does not do: leave it out only if nobody relies on it" $name) -}}
{{- else if not (has $name (concat $own $nginx)) -}}
{{- fail (printf "controller.extraArgs.%s: slipway has no such flag; it has %s" $name (join ", " $own)) -}}
{{- else if has $name $own -}}
{{- if kindIs "slice" $value -}}
{{- $texts := list -}}
{{- range $value }}{{ $texts = append $texts (include "slipway.text" . | replace "$(POD_NAMESPACE)" $namespace) }}{{ end -}}
{{- $_ := set $flags $name $texts -}}
{{- else -}}
{{- $_ := set $flags $name (include "slipway.text" $value | replace "$(POD_NAMESPACE)" $namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $flags -}}
{{- end -}}

{{/* Flags, as JSON, written as a container's arguments. */}}
{{- define "slipway.args" -}}
{{- range $name, $value := fromJson . }}
{{- if kindIs "slice" $value }}
{{- range $value }}
- {{ printf "--%s=%s" $name . | quote }}
{{- end }}
{{- else if eq $value "" }}
- {{ printf "--%s" $name }}
{{- else }}
- {{ printf "--%s=%s" $name $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A scalar as text; a big whole number without an exponent. */}}
{{- define "slipway.text" -}}
{{- if kindIs "invalid" . -}}
{{- else if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* The flags of `slipway ingress`. */}}
{{- define "slipway.ownFlags" -}}
admission-certificate admission-key admission-port annotations-prefix bind-address configmap controller-class
default-backend-service default-ssl-certificate disable-catch-all disable-svc-external-name election-id election-namespace
election-ttl healthz-host healthz-port http-port https-port ingress-class ingress-class-by-name kubeconfig log-level manifests
publish-service publish-status-address report-node-internal-ip-address set shutdown-grace-period update-status
update-status-on-shutdown watch-ingress-without-class watch-namespace watch-namespace-selector workers
{{- end -}}

{{/* The flags of `slipway service-proxy`. */}}
{{- define "slipway.serviceProxyFlags" -}}
cleanup cluster-cidr conntrack-tcp-timeout-close-wait conntrack-tcp-timeout-established detect-local-mode healthz-address kubeconfig log-level manifests masquerade-all metrics-address mode
node-name nodeport-addresses
{{- end -}}

{{/* The flags of `slipway dns`. */}}
{{- define "slipway.dnsFlags" -}}
autopath cache cache-size client-rate cluster-domain cookie-secret corefile forward health hosts ignore-unsupported kubeconfig
lameduck listen log-level log-queries manifests max-concurrent metrics namespace pods policy prefetch ready serve-stale service
stub transfer-to ttl workers
{{- end -}}

{{/* Flags of ingress-nginx about its own inner ways: dropped, and NOTES say so. */}}
{{- define "slipway.nginxFlags" -}}
bucket-factor deep-inspect default-server-port disable-full-test disable-leader-election disable-sync-events
dynamic-configuration-retries enable-annotation-validation enable-metrics enable-ssl-chain-completion
enable-topology-aware-routing exclude-socket-metrics health-check-path health-check-timeout internal-logger-address
length-buckets max-buckets maxmind-edition-ids maxmind-license-key maxmind-mirror maxmind-retries-count maxmind-retries-timeout
metrics-per-host metrics-per-undefined-host monitor-max-batch-size post-shutdown-grace-period profiler-address profiler-port
profiling report-status-classes size-buckets status-port stream-port sync-period sync-rate-limit time-buckets v
{{- end -}}

{{/* Flags of ingress-nginx for what Slipway does not do: refused. */}}
{{- define "slipway.absentFlags" -}}
apiserver-host certificate-authority enable-ssl-passthrough ssl-passthrough-proxy-port tcp-services-configmap
udp-services-configmap
{{- end -}}
