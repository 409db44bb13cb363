package middleware

import (
	"io"
	"net/http"
)

// refuse answers with status and {"error": text}; text needs no JSON escapes.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"error":"`+text+`"}`)
}
