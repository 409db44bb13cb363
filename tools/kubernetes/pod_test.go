package kubernetes

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// binary is the server, as built by make, or built here.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("SIGNALD"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "signald")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "signald")
	build := exec.Command("go", "build", "-o", path, "./cmd/signald")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil && os.Getenv("SIGNALD") == "" {
		_ = os.RemoveAll(filepath.Dir(path)) // a leftover in the temporary directory
	}
	os.Exit(code)
}

func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Env = env
	return c
}

// signald runs the server's command line, and returns what it prints.
func signald(t *testing.T, env []string, args ...string) string {
	t.Helper()
	out, err := command(t, env, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("signald %s: %v\n%s", args, err, out)
	}
	return string(out)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// A pod of the manifest, with the real server and a real Redis: its probes pass, and
// after SIGTERM it is unready at once, alive until its end, and gone in time.
func TestPod(t *testing.T) {
	if testing.Short() {
		t.Skip("needs redis-server")
	}
	redisPort, port := freePort(t), freePort(t)
	redis := exec.Command("redis-server", append(container(t, named[*appsv1.Deployment](t, "signald-redis")).Args, "--port", redisPort, "--bind", "127.0.0.1", "--dir", t.TempDir())...)
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = redis.Process.Kill()
		_ = redis.Wait() // killed
	}()

	deployment := named[*appsv1.Deployment](t, "signald")
	c := container(t, deployment)
	var log bytes.Buffer
	server := command(t, environment(t), "-host", "127.0.0.1", "-port", port, "-redis-url", "redis://127.0.0.1:"+redisPort, "-metrics-addr", "127.0.0.1:0")
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- server.Wait() }()

	passes := func(p *corev1.Probe) bool {
		client := http.Client{Timeout: time.Duration(p.TimeoutSeconds) * time.Second}
		answer, err := client.Get("http://127.0.0.1:" + port + p.HTTPGet.Path)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode >= 200 && answer.StatusCode < 400
	}
	within := func(d time.Duration, what string, condition func() bool) {
		t.Helper()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for begun := time.Now(); !condition(); <-tick.C {
			if time.Since(begun) > d {
				_ = server.Process.Kill()
				<-exited
				t.Fatalf("not within %v: %s\n%s", d, what, &log)
			}
		}
	}
	within(20*time.Second, "ready", func() bool { return passes(c.ReadinessProbe) })
	if !passes(c.LivenessProbe) {
		t.Error("ready and not alive")
	}

	stopped := time.Now()
	drain, err := time.ParseDuration(value(environment(t), "DRAIN_DELAY"))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	within(time.Duration(c.ReadinessProbe.PeriodSeconds)*time.Second, "unready", func() bool { return !passes(c.ReadinessProbe) })
	if !passes(c.LivenessProbe) {
		t.Error("not alive while it drains")
	}
	grace := time.Duration(*deployment.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	select {
	case err := <-exited:
		if err != nil {
			t.Errorf("ended with %v\n%s", err, &log)
		}
		if took := time.Since(stopped); took < drain {
			t.Errorf("ended after %v, before DRAIN_DELAY", took)
		}
	case <-time.After(grace):
		_ = server.Process.Kill()
		<-exited
		t.Fatalf("Kubernetes would have killed it after %v\n%s", grace, &log)
	}
	if !strings.Contains(log.String(), `"cluster joined"`) {
		t.Errorf("not joined:\n%s", &log)
	}
}
