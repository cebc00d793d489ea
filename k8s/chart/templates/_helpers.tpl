{{/* What all objects are called: there is one control plane in a namespace. */}}
{{- define "l7mp.name" -}}l7mp-controlplane{{- end -}}

{{- define "l7mp.selectorLabels" -}}
app.kubernetes.io/name: l7mp
app.kubernetes.io/component: controlplane
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "l7mp.labels" -}}
{{ include "l7mp.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* repository:tag, or repository@digest; takes a list of the root and the image. */}}
{{- define "l7mp.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "l7mp.store" -}}
{{- .Values.controlPlane.store | default (printf "kubernetes:%s" .Release.Namespace) -}}
{{- end -}}

{{/* Refuses what values.schema.json can't see. */}}
{{- define "l7mp.check" -}}
{{- if and (hasPrefix "embedded:" (include "l7mp.store" .)) (gt (int .Values.controlPlane.replicas) 1) -}}
{{- fail (printf "controlPlane.replicas: expected 1 with an embedded store, found %v" .Values.controlPlane.replicas) -}}
{{- end -}}
{{- end -}}

{{/* Plural names of our kinds, out of their definitions: rules never lag behind. With "status": of those that have one. */}}
{{- define "l7mp.ownResources" -}}
{{- $subresource := index . 1 -}}
{{- range $path, $_ := (index . 0).Files.Glob "files/crds/*.yaml" -}}
{{- $crd := (index $ 0).Files.Get $path | fromYaml -}}
{{- if and (eq $crd.spec.group "l7mp.io") (not (has $crd.spec.names.plural (list "storeheads" "storerecords" "configobjects"))) -}}
{{- if not $subresource }}
- {{ $crd.spec.names.plural }}
{{- else if hasKey (dig "subresources" (dict) (first $crd.spec.versions)) $subresource }}
- {{ $crd.spec.names.plural }}/{{ $subresource }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
