package testenv

import (
	"testing"

	"github.com/microservicehub/mshub/internal/redis"
)

func TestRedisGivesEachTestItsOwnNumber(t *testing.T) {
	t.Parallel()
	for range 2 {
		client, err := redis.Open(t.Context(), Redis(t))
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := client.SetNX(t.Context(), "key", "value", 0).Result(); err != nil || !ok {
			t.Errorf("SETNX = %v, %v; want a database without the key", ok, err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOwnRedisForgetsWhenStopped(t *testing.T) {
	t.Parallel()
	server := OwnRedis(t)
	client, err := redis.Open(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if err := client.Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Error("a stopped server answers")
	}
	server.Start(t)
	if n, err := client.Exists(t.Context(), "key").Result(); err != nil || n != 0 {
		t.Errorf("EXISTS after a restart = %d, %v; want 0", n, err)
	}
}
