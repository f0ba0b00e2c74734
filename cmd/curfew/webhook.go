package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/webhook"
)

type webhookConfig struct {
	Name       string         `toml:"name"`
	URL        upstreamURL    `toml:"url"`
	SecretFile string         `toml:"secret_file"`
	Types      []webhook.Type `toml:"types"`
}

// hookName is what the name of a webhook may be: it stands in addresses.
var hookName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// maxWebhooks is how many there may be.
const maxWebhooks = 100

// webhooks returns the webhooks. Files are named from the folder of the configuration.
func (c config) webhooks(dir string) (hooks []webhook.Endpoint, err error) {
	for i, w := range c.Webhooks {
		var e webhook.Endpoint
		if err = w.checkName(hooks); err == nil {
			e, err = w.endpoint(dir)
		}
		if err != nil {
			return nil, within("webhook", i, err)
		}
		hooks = append(hooks, e)
	}
	return hooks, nil
}

// checkName checks what the webhook is told from the others by.
func (w webhookConfig) checkName(others []webhook.Endpoint) error {
	switch {
	case len(others) == maxWebhooks:
		return wrong("name", "there are more than %d webhooks", maxWebhooks)
	case !hookName.MatchString(w.Name):
		return wrong("name", "must be 1 to 64 of a-z, 0-9, . _ -, a letter or digit first")
	case slices.ContainsFunc(others, func(e webhook.Endpoint) bool { return e.Name == w.Name }):
		return wrong("name", "%q is the name of another webhook, too", w.Name)
	}
	return nil
}

// endpoint is the webhook as the sender knows it.
func (w webhookConfig) endpoint(dir string) (e webhook.Endpoint, err error) {
	if w.SecretFile == "" {
		return e, wrong("secret_file", "is missing; messages are signed with what is in it")
	}
	for _, t := range w.Types {
		if !slices.Contains(webhook.Types, t) {
			return e, wrong("types", "%q is not a type; those are session.started, session.ended and account.changed", t)
		}
	}
	e = webhook.Endpoint{Name: w.Name, URL: w.URL.URL, Types: w.Types}
	if e.Secrets, err = readSecrets(w.SecretFile, dir); err != nil {
		return e, wrong("secret_file", "%v", err)
	}
	if err := e.Check(); err != nil {
		return e, wrong("url", "%v", err)
	}
	return e, nil
}

// readSecrets reads a file that nobody else may read: a secret, or several while they are being changed, one on a line.
func readSecrets(file, dir string) ([]string, error) {
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	text, err := readPrivate(file)
	if err != nil {
		return nil, err
	}
	secrets := strings.Fields(text)
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%s is empty", file)
	}
	for _, secret := range secrets {
		if err := webhook.CheckSecret(secret); err != nil {
			return nil, fmt.Errorf("%s: %w, one on a line; to make one: echo whsec_$(head -c 32 /dev/urandom | base64)", file, err)
		}
	}
	return secrets, nil
}

type webhookCmd struct {
	List  webhookListCmd  `cmd:"" help:"List the webhooks of the server, and how they do."`
	Test  webhookTestCmd  `cmd:"" help:"Send a webhook a test message, and say how it was answered."`
	Retry webhookRetryCmd `cmd:"" help:"Try now what a webhook has not taken, and switch it on if it wanted no more."`
}

type webhookListCmd struct {
	serverFlags
	jsonFlag
}

var hookColumns = []column{{"NAME", 0}, {"URL", 12}, {"STATE", 0}, {"BEHIND", 0}, {"LAST DELIVERED", 0}, {"WHY", 12}}

// Run lists webhooks.
func (c webhookListCmd) Run(ctx context.Context, std streams) error {
	return c.with(ctx, false, func(api *httpapi.Client) error {
		hooks, err := api.Webhooks(ctx)
		if err != nil {
			return noSender(err)
		}
		if c.JSON {
			return printList(std.out, listed(hooks))
		}
		return printTable(std.out, hookColumns, "There are no webhooks. docs/webhooks.md says how to add one.", listed(hooks), func(w httpapi.Webhook) []string {
			return []string{w.Name, w.URL, hookState(w), fmt.Sprint(w.Behind), timeOr("not since start", w.DeliveredAt), w.Error}
		})
	})
}

func hookState(w httpapi.Webhook) string {
	switch {
	case w.Off:
		return "off"
	case w.Error != "":
		return "waiting"
	default:
		return "delivering"
	}
}

// noSender says in other words that there is no such call: without a server nobody sends.
func noSender(err error) error {
	if curfew.ErrorCode(err) == curfew.CodeNotFound {
		return &curfew.Error{Code: curfew.CodeUnavailable, Message: "no server runs on this data folder; webhooks are the server's", Err: err}
	}
	return err
}

// noHook is err, unless there are no webhooks at all.
func noHook(ctx context.Context, api *httpapi.Client, err error) error {
	if curfew.ErrorCode(err) != curfew.CodeNotFound {
		return err
	}
	if _, none := api.Webhooks(ctx); none != nil {
		return noSender(none)
	}
	return err
}

type webhookTestCmd struct {
	serverFlags
	jsonFlag
	Name string `arg:"" help:"Name of the webhook."`
}

// Run sends a test message.
func (c webhookTestCmd) Run(ctx context.Context, std streams) error {
	return c.with(ctx, false, func(api *httpapi.Client) error {
		if err := api.TestWebhook(ctx, c.Name); err != nil {
			return noHook(ctx, api, err)
		}
		hooks, err := api.Webhooks(ctx)
		if err != nil {
			return err
		}
		for _, w := range hooks {
			if w.Name == c.Name {
				return c.print(std.out, w, "%s took the test message.\n", c.Name)
			}
		}
		return nil
	})
}

type webhookRetryCmd struct {
	serverFlags
	Name string `arg:"" help:"Name of the webhook."`
}

// Run tries again.
func (c webhookRetryCmd) Run(ctx context.Context, std streams) error {
	return c.with(ctx, false, func(api *httpapi.Client) error {
		if err := api.RetryWebhook(ctx, c.Name); err != nil {
			return noHook(ctx, api, err)
		}
		_, err := fmt.Fprintf(std.out, "Trying %s; \"curfew webhook list\" shows how it does.\n", c.Name)
		return err
	})
}
