package main

import (
	"context"
	"io"
	"strings"
	"testing"
)

func check(t *testing.T, env map[string]string) string {
	t.Helper()
	var out strings.Builder
	if err := run(context.Background(), []string{"-check"}, environ(env), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCheckSaysWhatWouldRun(t *testing.T) {
	out := check(t, map[string]string{
		"PORT": "4000", "TRUSTED_PROXIES": "2", "REDIS_URL": "redis://:hunter2@redis:6379", "NODE_ID": "a",
		"AUTH_JWT_SECRET": "hunter3,hunter4", "AUTH_JWKS": "https://me:hunter5@issuer.example/keys?token=hunter6", "KEY_PROOF": "always",
		"STUN_URLS": "stun:stun.example:3478", "TURN_LISTEN": "0.0.0.0:3478", "TURN_PUBLIC_IP": "192.0.2.1", "TURN_SECRET": "hunter7",
		"METRICS_ADDR": "127.0.0.1:9000", "DEBUG_ADDR": ":6060",
	})
	for _, want := range []string{
		"configuration ok\n", ":4000, http", "the last 2 hops", "redis:6379, prefix oodaa:, as a", "2 HMAC secrets",
		"issuer.example/keys", "always", "stun:stun.example:3478", "0.0.0.0:3478, reached at 192.0.2.1", "127.0.0.1:9000",
		"127.0.0.1:6060", "100 requests per minute", "native, websocket and polling",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "hunter") {
		t.Errorf("shows a secret:\n%s", out)
	}
}

func TestCheckWarns(t *testing.T) {
	const jwt = "a secret of more than thirty-two bytes"
	setEngines(t, "zishang")
	for name, test := range map[string]struct {
		env  map[string]string
		want string // empty: no warning
	}{
		"defaults":               {nil, ""},
		"any origin":             {map[string]string{"CORS_ORIGINS": "*"}, ""},
		"any origin, production": {map[string]string{"CORS_ORIGINS": "*", "NODE_ENV": "production"}, "CORS_ORIGINS=*"},
		"default origin":         {map[string]string{"NODE_ENV": "production"}, "localhost:3000"},
		"Heroku":                 {map[string]string{"DYNO": "web.1"}, ""},
		"Heroku, long stop":      {map[string]string{"DYNO": "web.1", "DRAIN_DELAY": "16s"}, "SHUTDOWN_TIMEOUT is 26s"},
		"long stop":              {map[string]string{"DRAIN_DELAY": "21s"}, "SHUTDOWN_TIMEOUT is 31s"},
		"stop of 30 s":           {map[string]string{"DRAIN_DELAY": "20s"}, ""},
		"Railway":                {map[string]string{"RAILWAY_ENVIRONMENT_NAME": "production"}, ""},
		"environment":            {map[string]string{"NODE_ENV": "prod"}, "NODE_ENV=prod"},
		"test environment":       {map[string]string{"NODE_ENV": "test"}, ""},
		"a letter missing":       {map[string]string{"MAX_CONNECTION": "5"}, "MAX_CONNECTION is not a setting: is MAX_CONNECTIONS meant?"},
		"a letter too many":      {map[string]string{"REDIS_URLS": "redis://h"}, "is REDIS_URL meant?"},
		"two letters":            {map[string]string{"SHUTDOWN_TIMOUTS": "5s"}, "is SHUTDOWN_TIMEOUT meant?"},
		"lower case":             {map[string]string{"Cors_Origin": "*"}, "is CORS_ORIGINS meant?"},
		"others' variables":      {map[string]string{"HOSTNAME": "a", "PORTS": "1", "REDIS_TLS_URL": "rediss://h", "NODE_VERSION": "20", "HOSTS": "x"}, ""},
		"tokens without TLS":     {map[string]string{"AUTH_JWT_SECRET": jwt}, "plain HTTP"},
		"tokens behind a proxy":  {map[string]string{"AUTH_JWT_SECRET": jwt, "TRUSTED_PROXIES": "10.0.0.0/8"}, ""},
		"no limit on requests":   {map[string]string{"RATE_LIMIT": "0"}, "RATE_LIMIT=0"},
		"no limit on messages":   {map[string]string{"MESSAGE_RATE": "0"}, "MESSAGE_RATE=0"},
		"TURN for anybody":       {map[string]string{"TURN_LISTEN": ":3478", "TURN_PUBLIC_IP": "192.0.2.1"}, "for anybody"},
		"room for one address":   {map[string]string{"MAX_CONNECTIONS": "50"}, "MAX_CONNECTIONS_PER_IP"},
		"room for two":           {map[string]string{"MAX_CONNECTIONS": "50", "MAX_CONNECTIONS_PER_IP": "25"}, ""},
		"few relay ports": {map[string]string{"TURN_LISTEN": ":3478", "TURN_PUBLIC_IP": "192.0.2.1", "TURN_RELAY_PORTS": "50000-50099",
			"AUTH_JWT_SECRET": jwt, "TRUSTED_PROXIES": "1"}, "TURN_RELAY_PORTS"},
		"enough relay ports": {map[string]string{"TURN_LISTEN": ":3478", "TURN_PUBLIC_IP": "192.0.2.1", "TURN_RELAY_PORTS": "50000-50100",
			"AUTH_JWT_SECRET": jwt, "TRUSTED_PROXIES": "1"}, ""},
		"TURN to private": {map[string]string{"TURN_LISTEN": ":3478", "TURN_PUBLIC_IP": "192.0.2.1", "TURN_ALLOW_PRIVATE": "true"}, "private"},
		"TURN over TLS": {map[string]string{"TURN_TLS_LISTEN": ":5349", "TURN_PUBLIC_IP": "auto", "AUTH_JWT_SECRET": jwt,
			"ACME_DOMAINS": "chat.example", "ACME_CACHE_DIR": "cache"}, "TURN_PUBLIC_HOST"},
		"short token secret":      {map[string]string{"AUTH_JWT_SECRET": jwt + ",x", "TRUSTED_PROXIES": "1"}, "AUTH_JWT_SECRET"},
		"short TURN secret":       {map[string]string{"TURN_SECRET": "0123456789abcde\n"}, "TURN_SECRET"},
		"long TURN secret":        {map[string]string{"TURN_SECRET": "0123456789abcdef"}, ""},
		"public profiles":         {map[string]string{"DEBUG_ADDR": "0.0.0.0:6060"}, "DEBUG_ADDR"},
		"profiles on loopback":    {map[string]string{"DEBUG_ADDR": "[::1]:6060"}, ""},
		"plain Redis":             {map[string]string{"REDIS_URL": "redis://redis.example"}, "rediss://"},
		"Redis over TLS":          {map[string]string{"REDIS_URL": "rediss://redis.example"}, ""},
		"Redis on loopback":       {map[string]string{"REDIS_URL": "redis://127.0.0.1:6379"}, ""},
		"many proxies":            {map[string]string{"TRUSTED_PROXIES": "4"}, "TRUSTED_PROXIES"},
		"three proxies":           {map[string]string{"TRUSTED_PROXIES": "3"}, ""},
		"no such certificate":     {map[string]string{"TLS_CERT_FILE": "no/such/file", "TLS_KEY_FILE": "check.go"}, "TLS_CERT_FILE"},
		"no such key":             {map[string]string{"TLS_CERT_FILE": "check.go", "TLS_KEY_FILE": "no/such/file"}, "TLS_KEY_FILE"},
		"no such key set":         {map[string]string{"AUTH_JWKS": "no/such/file", "TRUSTED_PROXIES": "1"}, "AUTH_JWKS"},
		"a key set by URL":        {map[string]string{"AUTH_JWKS": "https://issuer.example/keys", "TRUSTED_PROXIES": "1"}, ""},
		"ACME without a cache":    {map[string]string{"ACME_DOMAINS": "chat.example"}, "ACME_CACHE_DIR"},
		"another client's URL":    {map[string]string{"REDIS_URL": "redis://h?family=0"}, "REDIS_URL has parameters that only other clients know, ignored: family"},
		"a Redis Cluster":         {map[string]string{"REDIS_URL": "rediss+cluster://h,i"}, ""},
		"polling on zishang":      {map[string]string{"ENGINE": "zishang"}, "long-polling"},
		"zishang, WebSocket only": {map[string]string{"ENGINE": "zishang", "TRANSPORTS": "websocket"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			out := check(t, test.env)
			_, warnings, warned := strings.Cut(out, "warning: ")
			if warned != (test.want != "") || !strings.Contains(warnings, test.want) {
				t.Errorf("want a warning with %q:\n%s", test.want, out)
			}
		})
	}
}

func TestConfigurationErrorsShowNoSecrets(t *testing.T) {
	for _, url := range []string{"http://:hunter2@redis", "redis://:#hunter@redis", "redis://:hunter/@redis", "redis://:a?hunter=2@redis"} {
		env := environment{"REDIS_URL=" + url, "TURN_URLS=turn:a", "PORT=x"}
		err := run(context.Background(), []string{"-check"}, env, io.Discard, io.Discard)
		if err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%v", err)
		}
	}
	env := environment{"REDIS_URL=http://redis", "REDIS_CA_FILE=nowhere.pem", "TURN_URLS=turn:a", "PORT=x"}
	err := run(context.Background(), []string{"-check"}, env, io.Discard, io.Discard)
	for _, want := range []string{"REDIS_URL", "REDIS_CA_FILE", "TURN_SECRET", "PORT"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %v", want, err)
		}
	}
}
