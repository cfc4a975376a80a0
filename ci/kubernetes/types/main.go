// Prints what the local cloud must know of Kubernetes' types, one line each, as its `types.table` holds them:
// the numbers of their protobuf fields from the struct tags, and how their lists and maps merge from the OpenAPI
// definitions that the API server itself goes by.
//
//	go run ./types >../../localcloud/src/kubernetes/types.table
package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strings"

	batch "k8s.io/api/batch/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kubernetes/pkg/generated/openapi"
)

var roots = []any{
	core.Namespace{}, core.Node{}, core.Pod{}, core.ServiceAccount{}, core.ConfigMap{}, core.Secret{}, core.Service{},
	core.Event{}, core.Binding{}, batch.Job{}, batch.CronJob{}, coordination.Lease{}, policy.Eviction{}, meta.DeleteOptions{},
	meta.Condition{},
}

// Types that have a JSON form of their own.
var special = map[reflect.Type]string{
	reflect.TypeOf(meta.Time{}): "T", reflect.TypeOf(meta.MicroTime{}): "U", reflect.TypeOf(resource.Quantity{}): "Q",
	reflect.TypeOf(intstr.IntOrString{}): "I", reflect.TypeOf(meta.FieldsV1{}): "F",
}

var (
	definitions = openapi.GetOpenAPIDefinitions(func(path string) spec.Ref { return spec.MustCreateRef(path) })
	lines       = map[string]string{}
	packages    = map[string]string{}
)

func main() {
	for _, root := range roots {
		visit(reflect.TypeOf(root))
	}
	names := make([]string, 0, len(lines))
	for name := range lines {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Println(lines[name])
	}
}

func definition(of reflect.Type) common.OpenAPIDefinition {
	return definitions[of.PkgPath()+"."+of.Name()]
}

func visit(of reflect.Type) {
	name := of.Name()
	if _, seen := lines[name]; seen {
		if packages[name] != of.PkgPath() {
			panic("two types are called " + name)
		}
		return
	}
	packages[name], lines[name] = of.PkgPath(), ""
	schema := definition(of).Schema
	words := []string{name}
	if schema.Extensions["x-kubernetes-map-type"] == "atomic" {
		words[0] += "!"
	}
	for i := range of.NumField() {
		if word := field(of.Field(i), schema); word != "" {
			words = append(words, word)
		}
	}
	lines[name] = strings.Join(words, " ")
}

func field(field reflect.StructField, schema spec.Schema) string {
	json := strings.Split(field.Tag.Get("json"), ",")
	protobuf := strings.Split(field.Tag.Get("protobuf"), ",")
	if json[0] == "" && field.Type == reflect.TypeOf(meta.TypeMeta{}) || json[0] == "-" {
		return ""
	}
	number := "0"
	if len(protobuf) > 1 {
		number = protobuf[1]
	}
	parts := append([]string{number, json[0], kind(field.Type)}, rules(schema.Properties[json[0]])...)
	omit := strings.Join(json[1:], ",")
	switch {
	case strings.Contains(omit, "omitzero"):
		parts = append(parts, "omitzero")
	case !strings.Contains(omit, "omitempty") && !strings.Contains(omit, "inline"):
		parts = append(parts, "always")
	}
	return strings.Join(parts, ":")
}

// How the values of a property merge, and its default, where that is not the usual.
func rules(property spec.Schema) []string {
	var found []string
	keys, _ := property.Extensions["x-kubernetes-list-map-keys"].([]interface{})
	switch {
	case property.Extensions["x-kubernetes-list-type"] == "map":
		texts := make([]string, len(keys))
		for i, key := range keys {
			texts[i] = key.(string)
		}
		found = append(found, "key="+strings.Join(texts, "+"))
	case property.Extensions["x-kubernetes-list-type"] == "set":
		found = append(found, "set")
	case property.Extensions["x-kubernetes-map-type"] == "atomic":
		found = append(found, "atomic")
	}
	if strategy, ok := property.Extensions["x-kubernetes-patch-strategy"].(string); ok {
		key, _ := property.Extensions["x-kubernetes-patch-merge-key"].(string)
		if strings.Contains(strategy, "retainKeys") {
			found = append(found, "retain")
		}
		if strings.Contains(strategy, "merge") {
			found = append(found, "merge="+key)
		}
		if strategy == "replace" {
			found = append(found, "replace")
		}
	}
	if text, ok := property.Default.(string); ok && text != "" {
		quoted, _ := json.Marshal(text)
		found = append(found, "default="+string(quoted))
	}
	return found
}

// The code of a type, see the table's reader.
func kind(of reflect.Type) string {
	if code, ok := special[of]; ok {
		return code
	}
	switch of.Kind() {
	case reflect.Pointer:
		return kind(of.Elem()) + "?"
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Uint8 {
			return "y"
		}
		return "*" + kind(of.Elem())
	case reflect.Map:
		return "%" + kind(of.Elem())
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Int32:
		return "i"
	case reflect.Int64:
		return "l"
	case reflect.Struct:
		visit(of)
		return of.Name()
	}
	panic("no code for " + of.String())
}
