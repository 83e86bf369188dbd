{{/*
Values of ingress-nginx that a values file may bring along. What would be missed is refused or told; what only configures nginx
itself is let pass.
*/}}

{{/* Lines "VALUE: why it has no effect", for NOTES. */}}
{{- define "slipway.ignored" -}}
{{- $values := .Values.AsMap -}}
{{- $checks := list
      (list "controller.addHeaders" "headers of that kind are not there yet")
      (list "controller.proxySetHeaders" "headers of that kind are not there yet")
      (list "controller.allowSnippetAnnotations" "snippets are never read")
      (list "controller.customTemplate.configMapName" "there is no nginx.conf")
      (list "controller.disableLeaderElection" "one replica writes the status, as the others could not know")
      (list "controller.enableTopologyAwareRouting" "endpoints are used wherever they are")
      (list "controller.extraModules" "modules are nginx's")
      (list "controller.image.chroot" "the image has nothing to hide from the process")
      (list "controller.keda.enabled" "use controller.autoscaling")
      (list "controller.maxmindLicenseKey" "GeoIP is not there")
      (list "controller.opentelemetry.enabled" "tracing is not there yet")
      (list "controller.admissionWebhooks.extraEnvs" "no job makes the certificate")
      (list "controller.service.nodePorts.tcp" "TCP and UDP services are not there")
      (list "controller.service.nodePorts.udp" "TCP and UDP services are not there")
      (list "defaultBackend.enabled" "404 comes from Slipway; deploy your own and name it in controller.extraArgs.default-backend-service")
      (list "dhParam" "TLS 1.2 and 1.3 run with elliptic curves only")
-}}
{{- range $checks -}}
{{- $value := $values -}}
{{- range splitList "." (first .) }}{{ $value = ternary (get (ternary $value (dict) (kindIs "map" $value)) .) nil (kindIs "map" $value) }}{{ end -}}
{{- if $value }}
  - {{ first . }}: {{ last . }}
{{- end -}}
{{- end -}}
{{- $nginx := include "slipway.nginxFlags" . | splitList "\n" | join " " | splitList " " -}}
{{- range $name, $value := .Values.controller.extraArgs -}}
{{- if has $name $nginx }}
  - controller.extraArgs.{{ $name }}: a flag about nginx's own ways
{{- end -}}
{{- end -}}
{{- if and .Values.controller.autoscaling.enabled (eq .Values.controller.kind "DaemonSet") }}
  - controller.autoscaling: a DaemonSet has one pod on each node
{{- end -}}
{{- if ne (default "/healthz" .Values.controller.healthCheckPath) "/healthz" }}
  - controller.healthCheckPath: the paths are /healthz and /readyz
{{- end -}}
{{- end -}}

{{/* Stops where something that people may rely on would silently be gone. */}}
{{- define "slipway.refused" -}}
{{- range $protocol := list "tcp" "udp" -}}
{{- if get $.Values $protocol -}}
{{- fail (printf "%s: Slipway does not forward %s ports yet; leave the value out only if nobody relies on it" $protocol (upper $protocol)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
