// Package config reads settings from environment variables. Each room declares its own struct with defaults and a
// Validate that reports every fault at once; there is no file layer.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Validator is a room's settings.
type Validator interface{ Validate() error }

// Load fills each struct from the environment given as a map, then validates; all faults of all structs come together.
func Load(environ map[string]string, into ...Validator) error {
	var faults []error
	for _, c := range into {
		if err := env.ParseWithOptions(c, env.Options{Environment: environ}); err != nil {
			faults = append(faults, named(c, err)...)
			continue
		}
		if err := c.Validate(); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// named says which variable can't be read, in place of the field that it was meant for.
func named(c Validator, err error) []error {
	list := []error{err}
	if many, ok := errors.AsType[env.AggregateError](err); ok {
		list = many.Errors
	}
	for i, one := range list {
		parse, ok := errors.AsType[env.ParseError](one)
		if !ok {
			continue
		}
		if field, found := reflect.TypeOf(c).Elem().FieldByName(parse.Name); found {
			list[i] = Fault(field.Tag.Get("env"), "can't be read as a %s: %v", parse.Type, parse.Err)
		}
	}
	return list
}

// Environ turns os.Environ() into the map that Load takes.
func Environ(list []string) map[string]string {
	m := make(map[string]string, len(list))
	for _, kv := range list {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}

// Fault names the variable and what to do.
func Fault(variable, format string, args ...any) error {
	return fmt.Errorf("%s: %s", variable, fmt.Sprintf(format, args...))
}

// Secret is a setting that never shows: it prints as ***, in logs too. Reveal is the only way to its value.
type Secret string

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the value from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
