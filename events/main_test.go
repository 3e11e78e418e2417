package events_test

import (
	"os"
	"testing"

	"github.com/microservicehub/mshub/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m, testenv.NoLeaks)) }
