package account

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// Device is a browser that comes back, told by the random ID in its cookie (OWASP: "device cookie"). It opens nothing: an
// account only lets failures on devices from which it signed in count by themselves. The zero Device is none.
type Device struct {
	id    string
	fresh bool // made for this request, so no account can know it
}

const deviceCookie = "curfew-device"

// deviceKnownFor is how long a device stays known after an account signed in from it, and how long the browser keeps
// its cookie. That is longer than for sources, which pass to other people.
const deviceKnownFor = 90 * 24 * time.Hour

// DeviceOf returns the device in the request's cookie, or a new one if there is none that could be ours.
func DeviceOf(r *http.Request) Device {
	id, _ := curfew.CookieOf(r, deviceCookie)
	if !isSecretText(id) {
		return Device{id: rand.Text(), fresh: true}
	}
	return Device{id: id}
}

// SetDevice hands the device to the browser, for another 90 days.
func SetDevice(w http.ResponseWriter, r *http.Request, d Device) {
	http.SetCookie(w, curfew.NewCookie(r, deviceCookie, d.id, int(deviceKnownFor/time.Second)))
}

// String hides the ID.
func (Device) String() string { return "[device]" }

// key is the device in keys, by a hash: who reads the store can't be the device.
func (d Device) key() string { return "device/" + digest("device", d.id) }

// secretLen is the length of what rand.Text returns.
var secretLen = len(rand.Text())

// isSecretText reports whether rand.Text could have returned s.
func isSecretText(s string) bool {
	return len(s) == secretLen && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}
