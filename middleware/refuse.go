package middleware

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/oodaa/signaling/errcode"
)

// refuse answers with status and an [errcode.Body].
func refuse(w http.ResponseWriter, status int, code, text string) {
	body, err := json.Marshal(errcode.Body{Error: text, Code: code})
	if err != nil {
		panic(err) // strings
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body))) // the answer is whole before the handler returns
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
