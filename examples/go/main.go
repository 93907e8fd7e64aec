// go run . nats://127.0.0.1:4222 demo      every trade on the bus; nothing of ours is imported
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

type layout struct {
	TypeAt   int `json:"type_at"`
	Enums    map[string][]string
	Messages map[string]struct {
		Type   uint16
		Fields map[string]struct{ At int }
	}
}

func main() {
	args := append(os.Args[1:], "nats://127.0.0.1:4222", "demo")[:2]
	bus, err := nats.Connect(args[0])
	check(err)
	answer, err := bus.Request(args[1]+".ops.schema.layout", nil, time.Second)
	check(err)
	var at layout
	check(json.Unmarshal(answer.Data, &at))
	trade := at.Messages["Trade"]
	word := binary.LittleEndian
	_, err = bus.Subscribe(args[1]+".*.trade.*", func(m *nats.Msg) {
		if word.Uint16(m.Data[at.TypeAt:]) != trade.Type {
			return // the house also tells here which trades were busted
		}
		decimal := func(name string) string {
			return fmt.Sprintf("%de%d", int64(word.Uint64(m.Data[trade.Fields[name].At:])), int8(m.Data[trade.Fields[name+"_exponent"].At]))
		}
		side := at.Enums["Side"][word.Uint16(m.Data[trade.Fields["aggressor"].At:])]
		fmt.Println(m.Subject, side, decimal("qty"), "@", decimal("price"))
	})
	check(err)
	select {}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
