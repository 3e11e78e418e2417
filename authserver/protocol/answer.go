package protocol

import (
	"encoding/json"
	"net/http"

	"github.com/ory/fosite"
)

// Answer writes a JSON answer that nobody keeps.
func Answer(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// AnswerError writes an error as RFC 6749 §5.2 wants it.
func AnswerError(w http.ResponseWriter, err error) {
	known := fosite.ErrorToRFC6749Error(err)
	if known.CodeField == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="mshub"`)
	}
	Answer(w, known.CodeField, map[string]string{"error": known.ErrorField, "error_description": known.GetDescription()})
}
