{{/* The cluster's DNS server: in the place of CoreDNS. */}}

{{- define "slipway.dns" -}}
{{- printf "%s-%s" (include "slipway.fullname" .) .Values.dns.name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "slipway.dns.account" -}}
{{- $account := .Values.dns.serviceAccount -}}
{{- if $account.create -}}
{{- default (include "slipway.dns" .) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}

{{/* What makes a pod one of its. Tools look for CoreDNS's pods and Service by k8s-app. */}}
{{- define "slipway.dns.selectorLabels" -}}
app.kubernetes.io/name: {{ include "slipway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .Values.dns.name }}
k8s-app: kube-dns
{{- end -}}

{{- define "slipway.dns.labels" -}}
{{ toYaml (merge (include "slipway.dns.selectorLabels" . | fromYaml) (include "slipway.labels" . | fromYaml)) }}
{{- end -}}

{{/* Its flags as JSON: what the values say, then `dns.extraArgs` over it. */}}
{{- define "slipway.dns.args" -}}
{{- $d := .Values.dns -}}
{{- $flags := dict "corefile" "/etc/coredns/Corefile" -}}
{{- $_ := set $flags "service" (printf "%s/%s" (include "slipway.namespace" .) $d.service.name) -}}
{{- if $d.ignoreUnsupported }}{{ $_ := set $flags "ignore-unsupported" "" }}{{ end -}}
{{- $own := include "slipway.dnsFlags" . | splitList "\n" | join " " | splitList " " -}}
{{- range $name, $value := $d.extraArgs -}}
{{- if has $name (list "health" "ready" "metrics" "listen") -}}
{{- fail (printf "dns.extraArgs.%s: the probes and the Service depend on it: port 53, health on 8080, ready on 8181, metrics on 9153, as in dns.corefile" $name) -}}
{{- else if not (has $name $own) -}}
{{- fail (printf "dns.extraArgs.%s: slipway dns has no such flag; it has %s" $name (join ", " $own)) -}}
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

{{/* The Corefile: kubeadm's, with what the values say. */}}
{{- define "slipway.dns.corefile" -}}
{{- $d := .Values.dns -}}
{{- if $d.corefile -}}
{{- if or $d.forward $d.stubDomains $d.extraPlugins $d.extraServers -}}
{{- fail "dns.corefile is the whole Corefile: write dns.forward, dns.stubDomains, dns.extraPlugins and dns.extraServers into it" -}}
{{- end -}}
{{- $d.corefile -}}
{{- else -}}
.:53 {
    errors
    health {
       lameduck {{ $d.lameduck }}
    }
    ready
    kubernetes {{ $d.clusterDomain }} in-addr.arpa ip6.arpa {
       pods {{ $d.pods }}
       fallthrough in-addr.arpa ip6.arpa
       ttl {{ int $d.ttl }}
    }
    prometheus :9153
    forward . {{ $d.forward | default (list "/etc/resolv.conf") | join " " }} {
       max_concurrent 1000
    }
    {{- if int $d.cache }}
    cache {{ int $d.cache }}
    {{- end }}
    loop
    reload
    loadbalance
    {{- with $d.extraPlugins | trim }}
    {{- . | nindent 4 }}
    {{- end }}
}
{{- range $zone, $servers := $d.stubDomains }}
{{ $zone }}:53 {
    errors
    {{- if int $d.cache }}
    cache {{ int $d.cache }}
    {{- end }}
    forward . {{ join " " $servers }}
}
{{- end }}
{{- with $d.extraServers | trim }}
{{ . }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Everything that the Deployment and the DaemonSet have in common. */}}
{{- define "slipway.dns.pod" -}}
{{- $d := .Values.dns -}}
metadata:
  labels:
    {{- toYaml (merge (include "slipway.dns.selectorLabels" . | fromYaml) $d.podLabels .Values.commonLabels) | nindent 4 }}
  {{- with $d.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "slipway.dns.account" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  # The node's name servers: it must not ask itself.
  dnsPolicy: Default
  {{- with $d.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  terminationGracePeriodSeconds: 30
  {{- with $d.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  tolerations:
    {{- if $d.nodeLocal.enabled }}
    - {operator: Exists}
    {{- else }}
    {{- toYaml $d.tolerations | nindent 4 }}
    {{- end }}
  {{- with $d.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if not $d.nodeLocal.enabled }}
  topologySpreadConstraints:
    {{- if $d.topologySpreadConstraints }}
    {{- toYaml $d.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    - topologyKey: kubernetes.io/hostname
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "slipway.dns.selectorLabels" . | nindent 10 }}
    {{- end }}
  {{- end }}
  securityContext:
    # A process that is not root listens on 53 because the pod's own network says that this port needs no capability.
    sysctls:
      - {name: net.ipv4.ip_unprivileged_port_start, value: "0"}
  containers:
    - name: dns
      image: {{ include "slipway.image" . | quote }}
      imagePullPolicy: {{ .Values.controller.image.pullPolicy }}
      args:
        - dns
        {{- include "slipway.args" (include "slipway.dns.args" .) | trim | nindent 8 }}
      {{- with include "slipway.dns.env" . | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      ports:
        - {name: dns, containerPort: 53, protocol: UDP}
        - {name: dns-tcp, containerPort: 53, protocol: TCP}
        - {name: metrics, containerPort: 9153, protocol: TCP}
        - {name: health, containerPort: 8080, protocol: TCP}
        - {name: ready, containerPort: 8181, protocol: TCP}
      # Is the process alive?
      livenessProbe:
        httpGet: {path: /health, port: health}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 5
      # Is every name of the cluster known?
      readinessProbe:
        httpGet: {path: /ready, port: ready}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 3
      {{- with $d.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "slipway.restricted" . | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/coredns, readOnly: true}
  volumes:
    - name: config
      configMap:
        name: {{ $d.configMap.name }}
{{- end -}}

{{- define "slipway.dns.env" -}}
{{- with .Values.dns.apiServer }}
{{- if .host }}
- name: KUBERNETES_SERVICE_HOST
  value: {{ .host | quote }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ int .port | quote }}
{{- end }}
{{- end }}
{{- with .Values.dns.extraEnvs }}
{{ toYaml . }}
{{- end }}
{{- end -}}
