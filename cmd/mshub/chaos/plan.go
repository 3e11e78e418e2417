package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// fault is one thing that goes wrong.
type fault struct {
	at     time.Duration // since the load began
	kind   kind
	victim string
	// lasts is how long a killed process stays away, or a stopped one stands still.
	lasts time.Duration
}

func (f fault) String() string {
	text := fmt.Sprintf("%s %s", f.kind, f.victim)
	if f.lasts > 0 {
		text += fmt.Sprintf(" for %s", f.lasts)
	}
	return text
}

type kind string

const (
	kill    kind = "kill -9"
	freeze  kind = "SIGSTOP"
	restart kind = "restart"
	flush   kind = "FLUSHALL"
)

// card is a fault that may be drawn: what, whom, how long at least and at most.
type card struct {
	kind        kind
	victims     []string
	least, most time.Duration
	// rest is how long a victim is left alone afterwards.
	rest time.Duration
}

// deck is dealt in random order, over and over, so that a short run sees every fault as well as a long one.
var deck = []card{
	{kill, []string{"worker-1", "worker-2"}, time.Second, 5 * time.Second, 4 * time.Second},
	{kill, []string{"worker-1", "worker-2"}, 500 * time.Millisecond, 2 * time.Second, 4 * time.Second},
	{kill, []string{"core", "edge"}, time.Second, 5 * time.Second, 4 * time.Second},
	{kill, []string{"core", "edge"}, 500 * time.Millisecond, 2 * time.Second, 4 * time.Second},
	{freeze, []string{"worker-1", "worker-2", "core", "edge"}, 2 * time.Second, 12 * time.Second, 4 * time.Second},
	// It is started again by itself, ever more slowly if it dies more often than once a minute.
	{kill, []string{"temporal"}, 0, 0, 65 * time.Second},
	{freeze, []string{"temporal"}, 2 * time.Second, 6 * time.Second, 4 * time.Second},
	{restart, []string{"postgres"}, 500 * time.Millisecond, 3 * time.Second, 6 * time.Second},
	{kill, []string{"postgres"}, 500 * time.Millisecond, 3 * time.Second, 6 * time.Second},
	{flush, []string{"redis"}, 0, 0, 0},
	{restart, []string{"redis"}, 500 * time.Millisecond, 3 * time.Second, time.Second},
}

// mongoCards are in the deck too when records lie in MongoDB. Dealt among the others they make another plan of a seed.
var mongoCards = []card{
	{kill, []string{"mongod"}, 500 * time.Millisecond, 3 * time.Second, 6 * time.Second},
	{restart, []string{"mongod"}, 500 * time.Millisecond, 3 * time.Second, 6 * time.Second},
	{freeze, []string{"mongod"}, 2 * time.Second, 6 * time.Second, 4 * time.Second},
}

// Where records lie.
const (
	storePostgres = "postgres"
	storeMongo    = "mongo"
)

const (
	firstFault = 4 * time.Second // the first runs are under way by then
	pauseLeast = 2 * time.Second
	pauseMost  = 7 * time.Second
)

// plan is what goes wrong when: the seed decides, and which store there is. A victim is never hit while it is still down.
func plan(seed uint64, length time.Duration, store string) []fault {
	cards := deck
	if store == storeMongo {
		cards = slices.Concat(deck, mongoCards)
	}
	random := rand.New(rand.NewPCG(seed, 0))
	between := func(least, most time.Duration) time.Duration {
		return (least + time.Duration(random.Int64N(int64(most-least)+1))).Round(100 * time.Millisecond)
	}
	var faults []fault
	free := map[string]time.Duration{} // when a victim may be hit again
	at := firstFault
	for at < length {
		dealt := slices.Clone(cards)
		random.Shuffle(len(dealt), func(i, j int) { dealt[i], dealt[j] = dealt[j], dealt[i] })
		for _, c := range dealt {
			victim, lasts := c.victims[random.IntN(len(c.victims))], between(c.least, c.most)
			if at >= length || at < free[victim] {
				continue
			}
			faults = append(faults, fault{at, c.kind, victim, lasts})
			free[victim] = at + lasts + c.rest
			at += between(pauseLeast, pauseMost)
		}
		at += pauseLeast // also if nobody was free
	}
	return faults
}
