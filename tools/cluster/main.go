// One program that holds the parts of a Kubernetes control plane, for the tests of deploy/k8s: what they share is compiled
// and linked once. The first argument is the part's name, the rest are its own.
package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/kustomize/kustomize/v5/commands"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"

	// Metrics of the clients and the log formats that the programs of Kubernetes have.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

func run(command *cobra.Command) int { return cli.Run(command) }

// runKwok is the main function of kwok, which reads its configuration before it knows its command.
func runKwok() int {
	// Every command takes the flags of the whole process; of Kubernetes' programs there is a --version, which is not kwok's.
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ExitOnError)
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	context, logger := log.InitFlags(signals.SetupSignalContext(), flags)
	context, err := kwokconfig.InitFlags(context, flags)
	if err == nil {
		command := kwok.NewCommand(context)
		command.PersistentFlags().AddFlagSet(flags)
		err = command.ExecuteContext(context)
	}
	if err != nil {
		logger.Error("kwok", "err", err)
		return 1
	}
	return 0
}

var parts = map[string]func() int{
	"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
	"kube-apiserver":          func() int { return run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return run(manager.NewControllerManagerCommand()) },
	"kube-scheduler":          func() int { return run(scheduler.NewSchedulerCommand()) },
	"kubectl":                 func() int { return run(kubectl.NewDefaultKubectlCommand()) },
	"kustomize":               func() int { return run(commands.NewDefaultCommand()) },
	"kwok":                    runKwok,
	"static-cpus":             runCpus,
}

func main() {
	if len(os.Args) > 1 {
		if part, found := parts[os.Args[1]]; found {
			os.Args = os.Args[1:]
			os.Exit(part())
		}
	}
	names := make([]string, 0, len(parts))
	for name := range parts {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "expected one of %v as the first argument, and after it that program's own arguments\n", names)
	os.Exit(2)
}
