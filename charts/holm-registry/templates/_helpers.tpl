{{/* The name of the registry's objects, and the prefix of those of the UI. */}}
{{- define "holm.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels of an object. Argument: root, name. */}}
{{- define "holm.labels" -}}
app: {{ .name }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The image of a service. Argument: root, service (its values). */}}
{{- define "holm.image" -}}
{{- $image := mergeOverwrite (deepCopy .root.Values.image) .service.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "holm.pullPolicy" -}}
{{ (mergeOverwrite (deepCopy .root.Values.image) .service.image).pullPolicy }}
{{- end -}}

{{/* The port of an address such as :5000 or 0.0.0.0:5000. */}}
{{- define "holm.port" -}}
{{- required (printf "%s: the address must end with a port" .) (regexFind "[0-9]+$" .) -}}
{{- end -}}

{{- define "holm.claim" -}}
{{- default (printf "%s-pvc" (include "holm.name" .)) .Values.registry.persistence.existingClaim -}}
{{- end -}}

{{- define "holm.configMap" -}}
{{- default (printf "%s-config" (include "holm.name" .)) .Values.registry.existingConfigMap -}}
{{- end -}}

{{- define "holm.registryUrl" -}}
{{- default (printf "http://%s.%s.svc.%s:%v" (include "holm.name" .) .Release.Namespace .Values.clusterDomain .Values.registry.service.port) .Values.ui.registryUrl -}}
{{- end -}}

{{/* What the pods of both services have in common. Argument: root, service. */}}
{{- define "holm.pod" -}}
automountServiceAccountToken: false
{{- with .service.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
# Otherwise a Service named "registry" sets REGISTRY_PORT and similar variables.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .service.terminationGracePeriodSeconds }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .service.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .service.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .service.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .service.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .service.podSecurityContext | nindent 2 }}
{{- end -}}

{{/* What the containers of both services have in common. Argument: root, service, path and port of the probes. */}}
{{- define "holm.container" -}}
image: {{ include "holm.image" . | quote }}
imagePullPolicy: {{ include "holm.pullPolicy" . }}
{{- with .service.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .service.resources | nindent 2 }}
{{- $probe := dict "httpGet" (dict "path" .path "port" (int .port)) }}
{{- with .service.livenessProbe }}
livenessProbe:
  {{- mergeOverwrite (deepCopy $probe) . | toYaml | nindent 2 }}
{{- end }}
{{- with .service.readinessProbe }}
readinessProbe:
  {{- mergeOverwrite (deepCopy $probe) . | toYaml | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .service.securityContext | nindent 2 }}
{{- end -}}

{{/* Environment variables. Argument: variables (by name), extra (a list). */}}
{{- define "holm.env" -}}
{{- range $name, $value := .variables }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- with .extra }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A Service. Argument: root, service, name, port (its name), target. */}}
{{- define "holm.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "holm.labels" . | nindent 4 }}
  {{- with .service.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .service.service.type }}
  selector:
    app: {{ .name }}
  ports:
    - name: {{ .port }}
      port: {{ .service.service.port }}
      targetPort: {{ .target }}
      {{- if and .service.service.nodePort (has .service.service.type (list "NodePort" "LoadBalancer")) }}
      nodePort: {{ .service.service.nodePort }}
      {{- end }}
{{- end -}}

{{/* An Ingress, where it is enabled. Argument: root, service, name. */}}
{{- define "holm.ingress" -}}
{{- with .service.ingress }}
{{- if .enabled }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $.name }}
  namespace: {{ $.root.Release.Namespace }}
  labels:
    {{- include "holm.labels" $ | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with .tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - host: {{ .host | quote }}
      http:
        paths:
          - path: {{ .path }}
            pathType: {{ .pathType }}
            backend:
              service:
                name: {{ $.name }}
                port:
                  number: {{ $.service.service.port }}
{{- end }}
{{- end }}
{{- end -}}
