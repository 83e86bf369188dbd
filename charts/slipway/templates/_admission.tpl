{{/*
Which Ingresses the API server sends for review. Those of other classes are none of ours and must be writable while no replica
answers, so the API server itself tells them apart.
*/}}

{{- define "slipway.admissionSelectors" -}}
{{- $c := .Values.controller -}}
{{- $webhooks := $c.admissionWebhooks -}}
{{- $namespaces := $webhooks.namespaceSelector -}}
{{- if and (include "slipway.scope" .) (not $namespaces) -}}
{{- $namespaces = dict "matchLabels" (dict "kubernetes.io/metadata.name" (include "slipway.scope" .)) -}}
{{- end -}}
{{- with $namespaces }}
namespaceSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $webhooks.objectSelector }}
objectSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $webhooks.matchConditions }}
matchConditions:
  {{- toYaml $webhooks.matchConditions | nindent 2 }}
{{- else if $webhooks.ownClassesOnly }}
matchConditions:
  - name: own-class
    expression: {{ include "slipway.ownClass" . | quote }}
{{- end }}
{{- end -}}

{{/* A CEL expression: is the Ingress of one of the release's classes? The field wins over the annotation, as in the program. */}}
{{- define "slipway.ownClass" -}}
{{- $flags := include "slipway.flags" . | fromJson -}}
{{- $class := .Values.controller.ingressClassResource -}}
{{- $names := list -}}
{{- range uniq (concat (list $class.name) $class.aliases (ternary (list (get $flags "ingress-class")) (list) (and (hasKey $flags "ingress-class-by-name") (ne (toString (get $flags "ingress-class-by-name")) "false")))) -}}
{{- $names = append $names (printf "'%s'" .) -}}
{{- end -}}
{{- $annotation := "'kubernetes.io/ingress.class' in object.metadata.annotations" -}}
has(object.spec.ingressClassName) ? object.spec.ingressClassName in [{{ join ", " $names }}] : has(object.metadata.annotations) && {{ $annotation }} ? object.metadata.annotations['kubernetes.io/ingress.class'] == '{{ get $flags "ingress-class" }}' : {{ eq (toString (get $flags "watch-ingress-without-class")) "true" }}
{{- end -}}
