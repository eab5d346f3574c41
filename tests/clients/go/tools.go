//go:build tools

// Package tools keeps programs that are only built, not imported, in go.mod.
package tools

import _ "github.com/peak/s5cmd/v2"
