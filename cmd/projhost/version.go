package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"projhost/db/schema"
)

// version is the release this source is of.
const version = "0.1.0"

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			revision := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = " (" + s.Value + ")"
					}
				}
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "projhost %s%s, %s, Trac tables of version %d\n", version, revision, runtime.Version(), schema.Version)
			return failed(err)
		},
	}
}
