{{/* The Services that bring traffic: (dict "root" $ "service" VALUES "name" NAME "labels" LABELS). */}}

{{- define "slipway.trafficService" -}}
{{- $service := .service -}}
{{- $controller := .root.Values.controller -}}
{{- $type := $service.type -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ include "slipway.namespace" .root }}
  labels:
    {{- toYaml (merge (include "slipway.controllerLabels" .root | fromYaml) .labels) | nindent 4 }}
  {{- with $service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $type }}
  {{- with include "slipway.serviceFields" $service | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $service.ipFamilyPolicy }}
  ipFamilyPolicy: {{ . }}
  {{- end }}
  {{- with $service.ipFamilies }}
  ipFamilies: {{ toJson . }}
  {{- end }}
  {{- with $service.sessionAffinity }}
  sessionAffinity: {{ . }}
  {{- end }}
  {{- with $service.trafficDistribution }}
  trafficDistribution: {{ . }}
  {{- end }}
  {{- if ne $type "ClusterIP" }}
  {{- with $service.externalTrafficPolicy }}
  externalTrafficPolicy: {{ . }}
  {{- end }}
  {{- end }}
  {{- if eq $type "LoadBalancer" }}
  {{- with $service.healthCheckNodePort }}
  healthCheckNodePort: {{ int . }}
  {{- end }}
  {{- if kindIs "bool" $service.allocateLoadBalancerNodePorts }}
  allocateLoadBalancerNodePorts: {{ $service.allocateLoadBalancerNodePorts }}
  {{- end }}
  {{- end }}
  selector:
    {{- include "slipway.selectorLabels" .root | nindent 4 }}
  ports:
    {{- range $name := list "http" "https" }}
    {{- if ternary $controller.service.enableHttp $controller.service.enableHttps (eq $name "http") }}
    - name: {{ $name }}
      port: {{ int (get $service.ports $name) }}
      targetPort: {{ get $service.targetPorts $name }}
      protocol: TCP
      {{- if $service.appProtocol }}
      appProtocol: {{ $name }}
      {{- end }}
      {{- if ne $type "ClusterIP" }}
      {{- with get $service.nodePorts $name }}
      nodePort: {{ int . }}
      {{- end }}
      {{- end }}
    {{- end }}
    {{- end }}
{{- end -}}

{{/* Fields that a Service of ours may have whatever it serves: its values. */}}
{{- define "slipway.serviceFields" -}}
{{- with .clusterIP }}
clusterIP: {{ . }}
{{- end }}
{{- with .clusterIPs }}
clusterIPs: {{ toJson . }}
{{- end }}
{{- with .externalIPs }}
externalIPs: {{ toJson . }}
{{- end }}
{{- if eq .type "LoadBalancer" }}
{{- with .loadBalancerIP }}
loadBalancerIP: {{ . }}
{{- end }}
{{- with .loadBalancerClass }}
loadBalancerClass: {{ . }}
{{- end }}
{{- with .loadBalancerSourceRanges }}
loadBalancerSourceRanges: {{ toJson . }}
{{- end }}
{{- end }}
{{- end -}}
