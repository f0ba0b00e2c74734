package main

import (
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help shows how to install it.
func (completionCmd) Help() string {
	return `In this shell, or for good in its start-up file:

  source <(curfew completion bash)
  source <(curfew completion zsh)
  curfew completion fish | source

Where a package puts it:

  curfew completion bash >/usr/share/bash-completion/completions/curfew
  curfew completion zsh >/usr/share/zsh/vendor-completions/_curfew
  curfew completion fish >/usr/share/fish/vendor_completions.d/curfew.fish`
}

// Run prints the script.
func (c completionCmd) Run(k *kong.Context, std streams) error {
	return completions[c.Shell].Execute(std.out, places(k.Model.Node))
}

// place is where one is in a command: after its words, where others may follow.
type place struct {
	Path  string // such as "curfew user add"
	Words []choice
	Flags []flagChoice
}

// choice is a word that one may type.
type choice struct{ Name, Help string }

// flagChoice is a flag that one may type.
type flagChoice struct {
	choice
	Short  string
	Bare   bool     // it has no value
	Values []string // what its value may be
	Files  string   // "file" or "dir", if its value is one
}

// places lists all places below a command.
func places(n *kong.Node) []place {
	p := place{Path: commandName(n)}
	for _, c := range n.Children {
		if !c.Hidden {
			p.Words = append(p.Words, choice{c.Name, c.Help})
		}
	}
	for _, arg := range n.Positional {
		for _, v := range valuesOf(arg) {
			p.Words = append(p.Words, choice{Name: v})
		}
	}
	for _, f := range n.Flags {
		p.Flags = append(p.Flags, newFlagChoice(f))
	}
	list := []place{p}
	for _, c := range n.Children {
		if !c.Hidden {
			list = append(list, places(c)...)
		}
	}
	return list
}

func newFlagChoice(f *kong.Flag) flagChoice {
	c := flagChoice{choice: choice{"--" + f.Name, f.Help}, Bare: f.IsBool(), Values: valuesOf(f.Value)}
	if f.Short != 0 {
		c.Short = string(f.Short)
	}
	if kind := f.Tag.Get("complete"); kind == "file" || kind == "dir" {
		c.Files, c.Values = kind, nil
	}
	return c
}

// valuesOf returns what a value may be, as its enum says or, where the command itself looks after that, its tag complete.
func valuesOf(v *kong.Value) []string {
	if words := v.Tag.Get("complete"); words != "" {
		return strings.Split(words, ",")
	}
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}

// commandName is what one types for a command.
func commandName(n *kong.Node) string {
	if n.Parent == nil {
		return n.Name
	}
	return commandName(n.Parent) + " " + n.Name
}

// quoted is a word as all three shells read it.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// fishQuoted is a word as fish reads it, which knows escapes between quotes.
func fishQuoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// described is a word with its help, as zsh's _describe takes it.
func described(word, help string) string {
	return quoted(strings.ReplaceAll(word, ":", `\:`) + ":" + strings.ReplaceAll(help, ":", `\:`))
}

func deeper(all []place) (paths []string) {
	for _, p := range all[1:] {
		paths = append(paths, quoted(p.Path))
	}
	return paths
}

// firstSentence is enough beside a word.
func firstSentence(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(first, ".")
}

var completions = map[string]*template.Template{
	"bash": completion(bashScript), "zsh": completion(zshScript), "fish": completion(fishScript),
}

func completion(text string) *template.Template {
	return template.Must(template.New("completion").Funcs(template.FuncMap{
		"quoted": quoted, "fishQuoted": fishQuoted, "described": described, "deeper": deeper, "join": strings.Join, "brief": firstSentence,
		"names": func(p place) string {
			var names []string
			for _, w := range p.Words {
				names = append(names, w.Name)
			}
			return strings.Join(names, " ")
		},
		"flags": func(p place) string {
			var names []string
			for _, f := range p.Flags {
				names = append(names, f.Name)
			}
			return strings.Join(names, " ")
		},
		"withValue": func(p place) []flagChoice {
			return slices.DeleteFunc(slices.Clone(p.Flags), func(f flagChoice) bool { return f.Bare })
		},
	}).Parse(text))
}

const bashScript = `# Completion of curfew for bash, made by: curfew completion bash
_curfew() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} at=curfew words= flags= i IFS=$'\n'
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case "$at ${COMP_WORDS[i]}" in
		{{join (deeper .) " | "}}) at="$at ${COMP_WORDS[i]}" ;;
		esac
	done
	case "$at $prev" in
{{- range .}}{{$path := .Path}}{{range withValue .}}
	{{printf "%s %s" $path .Name | quoted}})
{{- if eq .Files "dir"}} compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur"));
{{- else if .Files}} compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"));
{{- else if .Values}} IFS=$' \n'; COMPREPLY=($(compgen -W {{join .Values " " | quoted}} -- "$cur"));
{{- end}} return ;;
{{- end}}{{end}}
	esac
	case $at in
{{- range .}}
	{{quoted .Path}}) words={{names . | quoted}} flags={{flags . | quoted}} ;;
{{- end}}
	esac
	if [[ $cur == -* || -z $words ]]; then
		words=$flags
	fi
	IFS=$' \n'
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _curfew curfew
`

const zshScript = `#compdef curfew
# Completion of curfew for zsh, made by: curfew completion zsh
_curfew() {
	local at=curfew i
	local -a words_ flags_
	for ((i = 2; i < CURRENT; i++)); do
		case "$at $words[i]" in
		({{join (deeper .) "|"}}) at="$at $words[i]" ;;
		esac
	done
	case "$at $words[CURRENT-1]" in
{{- range .}}{{$path := .Path}}{{range withValue .}}
	({{printf "%s %s" $path .Name | quoted}})
{{- if eq .Files "dir"}} _files -/
{{- else if .Files}} _files
{{- else if .Values}} compadd --{{range .Values}} {{quoted .}}{{end}}
{{- else}} _message {{brief .Help | quoted}}
{{- end}}; return ;;
{{- end}}{{end}}
	esac
	case $at in
{{- range .}}
	({{quoted .Path}})
		words_=({{range .Words}}
			{{described .Name .Help}}{{end}}
		)
		flags_=({{range .Flags}}
			{{described .Name .Help}}{{end}}
		) ;;
{{- end}}
	esac
	if [[ $PREFIX == -* || ${#words_} -eq 0 ]]; then
		_describe -o flag flags_
	else
		_describe word words_
	fi
}
if [[ $funcstack[1] == _curfew ]]; then
	_curfew "$@"
else
	compdef _curfew curfew
fi
`

const fishScript = `# Completion of curfew for fish, made by: curfew completion fish
function __curfew_at
	set -l at curfew
	for word in (commandline -opc)[2..]
		switch "$at $word"
			case {{join (deeper .) " "}}
				set at "$at $word"
		end
	end
	test "$at" = "$argv[1]"
end
complete -c curfew -f
{{- range .}}{{$at := printf "__curfew_at '%s'" .Path | fishQuoted}}
{{- range .Words}}
complete -c curfew -n {{$at}} -a {{fishQuoted .Name}}{{with brief .Help}} -d {{fishQuoted .}}{{end}}
{{- end}}{{range .Flags}}
complete -c curfew -n {{$at}} -l {{slice .Name 2}}{{with .Short}} -s {{.}}{{end}}
{{- if eq .Files "dir"}} -x -a '(__fish_complete_directories)'
{{- else if .Files}} -r -F
{{- else if .Values}} -x -a {{join .Values " " | fishQuoted}}
{{- else if not .Bare}} -x
{{- end}} -d {{brief .Help | fishQuoted}}
{{- end}}{{end}}
`
