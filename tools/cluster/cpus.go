package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager/state"
	"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager/topology"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/utils/cpuset"
)

// runCpus asks the kubelet's static CPU manager which CPUs each container of a pod gets, on a machine that is described and
// need not be there. The pod is read as JSON; what is written is JSON, too: a set of CPUs for each container that gets some
// of its own, and under "" the set that all others share. It fails as the kubelet would refuse the pod.
func runCpus() int {
	cores := flag.Int("cores", 8, "physical cores, all of one socket")
	threads := flag.Int("threads", 1, "threads of each")
	reserved := flag.String("reserved", "0", "CPUs that no pod gets (reservedSystemCPUs)")
	whole := flag.Bool("full-pcpus-only", false, "the option of that name of the CPU manager's policy")
	flag.Parse()
	given, err := allocate(*cores, *threads, *reserved, *whole)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(given); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// machine numbers CPUs as Linux mostly does: the first threads of all cores, then the second ones.
func machine(cores, threads int) *topology.CPUTopology {
	details := topology.CPUDetails{}
	for cpu := range cores * threads {
		details[cpu] = topology.CPUInfo{CoreID: cpu % cores}
	}
	return &topology.CPUTopology{NumCPUs: cores * threads, NumCores: cores, NumSockets: 1, NumUncoreCache: 1, NumNUMANodes: 1, CPUDetails: details}
}

func allocate(cores, threads int, reserved string, whole bool) (map[string]string, error) {
	var pod v1.Pod
	if err := json.NewDecoder(os.Stdin).Decode(&pod); err != nil {
		return nil, fmt.Errorf("expected a pod as JSON: %w", err)
	}
	kept, err := cpuset.Parse(reserved)
	if err != nil {
		return nil, err
	}
	log := logr.Discard()
	options := map[string]string{cpumanager.FullPCPUsOnlyOption: fmt.Sprint(whole)}
	policy, err := cpumanager.NewStaticPolicy(log, machine(cores, threads), kept.Size(), kept, topologymanager.NewFakeManager(), options)
	if err != nil {
		return nil, err
	}
	memory := state.NewMemoryState(log)
	if err := policy.Start(log, memory); err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		if err := policy.Allocate(log, memory, &pod, &container); err != nil {
			return nil, fmt.Errorf("%s: %w", container.Name, err)
		}
		if own, found := memory.GetCPUSet(string(pod.UID), container.Name); found {
			given[container.Name] = own.String()
		}
	}
	given[""] = memory.GetDefaultCPUSet().String()
	return given, nil
}
