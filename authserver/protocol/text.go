package protocol

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// IsText reports whether a value is text that the database can hold: valid UTF-8 without U+0000.
func IsText(value string) bool {
	return utf8.ValidString(value) && !strings.ContainsRune(value, 0)
}

// AreTexts reports whether every name and value is text.
func AreTexts(values url.Values) bool {
	for name, list := range values {
		if !IsText(name) {
			return false
		}
		for _, value := range list {
			if !IsText(value) {
				return false
			}
		}
	}
	return true
}
