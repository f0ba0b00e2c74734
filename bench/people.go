package main

import (
	"fmt"

	"github.com/curfewhq/curfew"
)

// userOf and clientOf make people and their devices up.
func userOf(i int) curfew.User {
	given := [...]string{"Amara", "Arslan", "Ines", "Mia", "Noor", "Otto", "Sora", "Yusuf"}
	family := [...]string{"Adeyemi", "Bauer", "Castillo", "Dubois", "Eriksen", "Fischer", "Gupta"}
	return curfew.User{
		ID: curfew.UserID(fmt.Sprintf("u%07d", i)), Name: fmt.Sprintf("user%07d", i),
		FullName: given[i%len(given)] + " " + family[i%len(family)],
	}
}

func clientOf(i int) curfew.Client {
	browser := [...]string{"Chrome 156", "Firefox 148", "Safari 26", "Edge 156"}
	system := [...]string{"macOS", "Windows", "Linux", "Android", "iOS"}
	h := scatter(uint64(i), 1<<24)
	return curfew.Client{
		Origin: fmt.Sprintf("10.%d.%d.%d", h>>16, h>>8&255, h&255),
		Device: browser[i%len(browser)] + " on " + system[i%len(system)],
	}
}
