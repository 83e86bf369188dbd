{{/*
The controller's pod, the same for a Deployment and a DaemonSet. Its labels have no version in them: old and new pods of a release
count as replicas of each other while it is upgraded.
*/}}

{{- define "slipway.podTemplate" -}}
{{- $c := .Values.controller -}}
metadata:
  labels:
    {{- toYaml (merge (include "slipway.selectorLabels" . | fromYaml) $c.podLabels .Values.commonLabels) | nindent 4 }}
  {{- with $c.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "slipway.serviceAccount" . }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automountServiceAccountToken }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "slipway.podSecurityContext" . }}
  securityContext:
    {{- . | nindent 4 }}
  {{- end }}
  {{- if $c.hostNetwork }}
  hostNetwork: true
  {{- end }}
  dnsPolicy: {{ default (ternary "ClusterFirstWithHostNet" "ClusterFirst" $c.hostNetwork) $c.dnsPolicy }}
  {{- with $c.hostname }}
  hostname: {{ . }}
  {{- end }}
  {{- with $c.shareProcessNamespace }}
  shareProcessNamespace: {{ . }}
  {{- end }}
  {{- with $c.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with $c.runtimeClassName }}
  runtimeClassName: {{ . | quote }}
  {{- end }}
  terminationGracePeriodSeconds: {{ int $c.terminationGracePeriodSeconds }}
  {{- range $field := list "dnsConfig" "hostAliases" "nodeSelector" "tolerations" }}
  {{- with get $c $field }}
  {{ $field }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with $c.affinity }}
  affinity:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
  {{- if eq $c.kind "Deployment" }}
  {{- with include "slipway.topologySpread" . }}
  topologySpreadConstraints:
    {{- . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with $c.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ $c.containerName }}
      {{- include "slipway.container" . | nindent 6 }}
    {{- with $c.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if or $c.admissionWebhooks.enabled $c.extraVolumes }}
  volumes:
    {{- if $c.admissionWebhooks.enabled }}
    - name: admission
      secret:
        secretName: {{ default (include "slipway.admission" .) $c.admissionWebhooks.existingSecret }}
        items:
          - key: tls.crt
            path: {{ base $c.admissionWebhooks.certificate }}
          - key: tls.key
            path: {{ base $c.admissionWebhooks.key }}
    {{- end }}
    {{- with $c.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end -}}

{{- define "slipway.container" -}}
{{- $c := .Values.controller -}}
image: {{ include "slipway.image" . | quote }}
imagePullPolicy: {{ $c.image.pullPolicy }}
args:
  - ingress
  {{- include "slipway.args" (include "slipway.flags" .) | trim | nindent 2 }}
env:
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  {{- with $c.extraEnvs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  {{- include "slipway.ports" . | trim | nindent 2 }}
{{- range $name := list "startupProbe" "livenessProbe" "readinessProbe" }}
{{- with include "slipway.probe" (dict "root" $ "name" $name) }}
{{ $name }}:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}
{{- with include "slipway.lifecycle" . }}
lifecycle:
  {{- . | nindent 2 }}
{{- end }}
{{- with $c.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "slipway.containerSecurityContext" . | nindent 2 }}
{{- if or $c.admissionWebhooks.enabled $c.extraVolumeMounts }}
volumeMounts:
  {{- if $c.admissionWebhooks.enabled }}
  - name: admission
    mountPath: {{ include "slipway.admissionDirectory" . }}
    readOnly: true
  {{- end }}
  {{- with $c.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "slipway.ports" -}}
{{- $c := .Values.controller -}}
{{- range $name := list "http" "https" -}}
{{- $host := int (get $c.hostPort.ports $name) -}}
{{- $port := int (get $c.containerPort $name) -}}
{{- if and $c.hostNetwork $c.hostPort.enabled (ne $host $port) -}}
{{- fail (printf "controller.hostPort.ports.%s is %d, but with controller.hostNetwork the port of the host is controller.containerPort.%s, %d: make them equal" $name $host $name $port) -}}
{{- end }}
- name: {{ $name }}
  containerPort: {{ $port }}
  {{- if or $c.hostPort.enabled $c.hostNetwork }}
  hostPort: {{ ternary $port $host $c.hostNetwork }}
  {{- end }}
  protocol: TCP
{{- end }}
- name: {{ $c.metrics.portName }}
  containerPort: {{ int $c.metrics.port }}
  protocol: TCP
{{- if $c.admissionWebhooks.enabled }}
- name: webhook
  containerPort: {{ int $c.admissionWebhooks.port }}
  protocol: TCP
{{- end }}
{{- end -}}

{{/* Certificate and key lie in one directory, that of the mounted Secret. */}}
{{- define "slipway.admissionDirectory" -}}
{{- $webhooks := .Values.controller.admissionWebhooks -}}
{{- if ne (dir $webhooks.certificate) (dir $webhooks.key) -}}
{{- fail "controller.admissionWebhooks.certificate and .key are files of one mounted Secret: name the same directory in both" -}}
{{- end -}}
{{- dir $webhooks.certificate -}}
{{- end -}}

{{/* A constraint without a selector counts the controller's own pods. */}}
{{- define "slipway.topologySpread" -}}
{{- $constraints := list -}}
{{- $selector := dict "matchLabels" (include "slipway.selectorLabels" . | fromYaml) -}}
{{- range tpl (toYaml .Values.controller.topologySpreadConstraints) . | fromYamlArray -}}
{{- $constraints = append $constraints (ternary . (merge (deepCopy .) (dict "labelSelector" $selector "matchLabelKeys" (list "pod-template-hash"))) (hasKey . "labelSelector")) -}}
{{- end -}}
{{- if $constraints }}{{ toYaml $constraints }}{{ end -}}
{{- end -}}
