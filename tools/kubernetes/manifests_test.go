// Package kubernetes tests deploy/kubernetes: against the types of Kubernetes, and
// each number against the server's own.
package kubernetes

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const directory = "../../deploy/kubernetes"

// objects reads all manifests. A field that Kubernetes does not know, or that is
// there twice, is an error.
func objects(t *testing.T) (list []runtime.Object) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, policyv1.AddToScheme, networkingv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
		for {
			document, err := reader.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			object, _, err := decoder.Decode(document, nil, nil)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			list = append(list, object)
		}
	}
	return list
}

// named returns the object of a kind that has a name.
func named[T metav1.Object](t *testing.T, name string) (found T) {
	t.Helper()
	for _, object := range objects(t) {
		if o, ok := object.(T); ok && o.GetName() == name {
			return o
		}
	}
	t.Fatalf("no %T named %s", found, name)
	return found
}

// container is the only one of a deployment.
func container(t *testing.T, d *appsv1.Deployment) *corev1.Container {
	t.Helper()
	if n := len(d.Spec.Template.Spec.Containers); n != 1 {
		t.Fatalf("%d containers", n)
	}
	return &d.Spec.Template.Spec.Containers[0]
}

// environment is what the server gets from the manifest.
func environment(t *testing.T) (env []string) {
	t.Helper()
	for _, v := range container(t, named[*appsv1.Deployment](t, "signald")).Env {
		value := v.Value
		if v.ValueFrom != nil {
			value = "signald-7d9c5b8f6-x2x4z" // a pod's name
		}
		env = append(env, v.Name+"="+value)
	}
	return env
}

func value(env []string, name string) string {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// port is the number of a container's port, which probes and services name.
func port(t *testing.T, c *corev1.Container, name intstr.IntOrString) int {
	t.Helper()
	for _, p := range c.Ports {
		if p.Name == name.StrVal {
			return int(p.ContainerPort)
		}
	}
	t.Fatalf("no port %v", name)
	return 0
}

// Selectors select the pods that they are meant for.
func TestSelectors(t *testing.T) {
	pods := func(name string) labels.Set {
		return named[*appsv1.Deployment](t, name).Spec.Template.Labels
	}
	matches := func(what string, selector *metav1.LabelSelector, pods labels.Set) {
		t.Helper()
		s, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil || s.Empty() || !s.Matches(pods) {
			t.Errorf("%s: %v does not select %v, %v", what, s, pods, err)
		}
	}
	for _, name := range []string{"signald", "signald-redis"} {
		deployment := named[*appsv1.Deployment](t, name)
		matches("deployment "+name, deployment.Spec.Selector, pods(name))
		service := named[*corev1.Service](t, name)
		if s := labels.SelectorFromSet(service.Spec.Selector); s.Empty() || !s.Matches(pods(name)) {
			t.Errorf("service %s: %v does not select %v", name, s, pods(name))
		}
		for _, p := range service.Spec.Ports {
			port(t, container(t, deployment), p.TargetPort)
		}
	}
	matches("budget", named[*policyv1.PodDisruptionBudget](t, "signald").Spec.Selector, pods("signald"))
	policy := named[*networkingv1.NetworkPolicy](t, "signald-redis")
	matches("policy", &policy.Spec.PodSelector, pods("signald-redis"))
	matches("policy's source", policy.Spec.Ingress[0].From[0].PodSelector, pods("signald"))
	for _, object := range objects(t) {
		if o, err := meta.Accessor(object); err != nil || o.GetNamespace() != "" {
			t.Errorf("%v: belongs to a namespace, %v", object.GetObjectKind(), err)
		}
	}
}

// The server starts with the manifest's environment, and its numbers are the
// manifest's.
func TestNumbers(t *testing.T) {
	deployment := named[*appsv1.Deployment](t, "signald")
	pod, c, env := deployment.Spec.Template.Spec, container(t, deployment), environment(t)
	report := signald(t, env, "check")
	for line := range strings.Lines(report) {
		// The network between the pods is the cluster's own, and has a policy for Redis.
		if strings.HasPrefix(line, "warning: ") && !strings.Contains(line, "REDIS_URL without TLS") {
			t.Errorf("signald check: %s", line)
		}
	}
	match := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(report)
		if m == nil {
			t.Fatalf("no %s in\n%s", pattern, report)
		}
		return m[1]
	}
	seconds := func(text string) int64 {
		t.Helper()
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return int64(d.Seconds())
	}
	drain, shutdown := seconds(match(`stop +(\S+) after SIGTERM`)), seconds(match(`stop .*up to (\S+)`))

	if grace := *pod.TerminationGracePeriodSeconds; grace < drain+shutdown+5 {
		t.Errorf("terminationGracePeriodSeconds %d, the server takes up to %d + %d s", grace, drain, shutdown)
	}
	if r := c.ReadinessProbe; int64(r.PeriodSeconds*r.FailureThreshold) > drain || r.HTTPGet.Path != "/ready" {
		t.Errorf("readiness: noticed after %d × %d s, the server waits for %d s", r.PeriodSeconds, r.FailureThreshold, drain)
	}
	if l := c.LivenessProbe; l.TimeoutSeconds < 3 || l.FailureThreshold < 2 || l.HTTPGet.Path != "/health" {
		t.Errorf("liveness: %+v", l)
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe} {
		if got := port(t, c, p.HTTPGet.Port); strconv.Itoa(got) != match(`listens +:(\d+)`) {
			t.Errorf("%s is asked for on port %d", p.HTTPGet.Path, got)
		}
	}
	if got := port(t, c, intstr.FromString("metrics")); strconv.Itoa(got) != match(`metrics +:(\d+)`) ||
		deployment.Spec.Template.Annotations["prometheus.io/port"] != strconv.Itoa(got) {
		t.Errorf("metrics are on port %d", got)
	}

	limit, goal := c.Resources.Limits.Memory().Value(), bytesOf(t, value(env, "GOMEMLIMIT"))
	if goal > limit*91/100 || goal < limit*85/100 {
		t.Errorf("GOMEMLIMIT is %d of the %d bytes that the container may use", goal, limit)
	}
	if version := strings.Fields(signald(t, env, "version"))[1]; !strings.HasSuffix(c.Image, ":"+version) {
		t.Errorf("image %s, the server is version %s", c.Image, version)
	}
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if user := fmt.Sprintf("\nUSER %d:%d\n", *pod.SecurityContext.RunAsUser, *pod.SecurityContext.RunAsGroup); !bytes.Contains(dockerfile, []byte(user)) {
		t.Errorf("the Dockerfile has no %q", user)
	}

	replicas, budget := *deployment.Spec.Replicas, named[*policyv1.PodDisruptionBudget](t, "signald").Spec.MaxUnavailable.IntVal
	if budget < 1 || budget >= replicas {
		t.Errorf("%d of %d pods may be disrupted at a time", budget, replicas)
	}
	if update := deployment.Spec.Strategy.RollingUpdate; update.MaxUnavailable.IntVal != 0 || update.MaxSurge.IntVal < 1 || deployment.Spec.MinReadySeconds < 5 {
		t.Errorf("an update: %v, %d s apart", update, deployment.Spec.MinReadySeconds)
	}
}

// Redis is where REDIS_URL says, and runs into its own limit before the container's.
func TestRedis(t *testing.T) {
	service, c := named[*corev1.Service](t, "signald-redis"), container(t, named[*appsv1.Deployment](t, "signald-redis"))
	if got, want := value(environment(t), "REDIS_URL"), fmt.Sprintf("redis://%s:%d", service.Name, service.Spec.Ports[0].Port); got != want {
		t.Errorf("REDIS_URL %s, Redis is at %s", got, want)
	}
	argument := func(name string) string {
		if i := slices.Index(c.Args, name); i >= 0 && i+1 < len(c.Args) {
			return c.Args[i+1]
		}
		return "missing"
	}
	limit := c.Resources.Limits.Memory().Value()
	if most := bytesOf(t, argument("--maxmemory")); most > limit*3/4 {
		t.Errorf("Redis may keep %d of the container's %d bytes", most, limit)
	}
	if argument("--save") != "" || argument("--appendonly") != "no" || argument("--maxmemory-policy") != "noeviction" {
		t.Errorf("arguments %q", c.Args)
	}
}

// bytesOf reads 460MiB, as Go writes it, or 192mb, as Redis does.
func bytesOf(t *testing.T, text string) int64 {
	t.Helper()
	text = strings.NewReplacer("MiB", "Mi", "mb", "Mi").Replace(text)
	q, err := resource.ParseQuantity(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return q.Value()
}
