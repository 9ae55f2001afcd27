package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// helpCommand tells about the commands that all returns.
func helpCommand(all func() []Command) Command {
	return Command{Name: "help", Args: "[command...]", Help: "List the commands, or tell about those that begin with the words given.", Max: -1, Needs: Nothing,
		Run: func(_ context.Context, c *Console, words []string) error {
			text, err := Help(all(), words)
			if err != nil {
				return err
			}
			return c.Printf("%s", text)
		},
		Complete: func(_ context.Context, _ *Console, args []string) []string { return nextWords(all(), args) },
	}
}

// Help is a list of all commands; or of those whose names begin with words, with
// all that is to be said of them.
func Help(all []Command, words []string) (string, error) {
	var b strings.Builder
	name := strings.Join(words, " ")
	for i := range all {
		switch c := &all[i]; {
		case name == "":
			first, _, _ := strings.Cut(c.Help, "\n")
			fmt.Fprintf(&b, "  %-44s %s\n", c.Usage(), first)
		case c.Name == name || strings.HasPrefix(c.Name, name+" "):
			fmt.Fprintf(&b, "%s\n\n    %s\n\n", c.Usage(), strings.ReplaceAll(c.Help, "\n", "\n    "))
		}
	}
	if b.Len() == 0 {
		return "", usage(fmt.Sprintf("no command begins with %s%s", name, suggestion(all, words)))
	}
	return b.String(), nil
}

// suggestion names commands that words may have been meant to be, or is empty.
func suggestion(all []Command, words []string) string {
	given := strings.Join(words[:min(len(words), maxWords)], " ")
	best := len([]rune(words[0]))/3 + 1 // as many mistakes are forgiven
	var names []string
	for i := range all {
		group, _, _ := strings.Cut(all[i].Name, " ")
		for _, pair := range [][2]string{{given, all[i].Name}, {words[0], group}} {
			name := pair[1]
			switch d := distance(pair[0], name); {
			case d < best:
				best, names = d, []string{name}
			case d == best:
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 || len(names) > maxSuggestions {
		return ""
	}
	return "; was this meant: " + strings.Join(names, ", ") + "?"
}

// maxSuggestions is how many commands are named at most: more are no help.
const maxSuggestions = 3

// distance is how many letters must be put in, left out or replaced to make b of
// a (Levenshtein's).
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range to {
			cost := diagonal
			if r != s {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}

// nextWords are the words that a command's name may go on with after words.
func nextWords(all []Command, words []string) (list []string) {
	for i := range all {
		name := strings.Fields(all[i].Name)
		if len(name) > len(words) && slices.Equal(name[:len(words)], words) {
			list = append(list, name[len(words)])
		}
	}
	return list
}
