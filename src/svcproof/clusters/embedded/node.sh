# Becomes a node: runs in fresh mount, PID, UTS and IPC namespaces and in the
# node's network namespace, sets up its mounts, then turns into the init that
# reaps orphans. Killing that init is a crash of the node.
# Arguments: the node's name, its directory, the world's directory.
set -eu
name=$1 directory=$2 world=$3
mount --make-rprivate /
# What programs keep at fixed places. File systems of their own, because the
# kubelet looks for the mount that a directory is on by its device number, and
# must find one that it can reach.
mkdir -p "$directory/run/svcproof" "$directory/sys"
mount -t tmpfs -o mode=0755 "$name" /var/lib
mount -t tmpfs -o mode=0755 "$name" /var/log
mkdir /var/lib/kubelet /var/lib/containerd /var/lib/cni /var/log/pods /var/log/containers
mount --rbind "$world" "$directory/run/svcproof"
mount --no-mtab --rbind "$directory/run" /run
# The kubelet sets these kernel-wide settings. Here it finds, and would write,
# copies of its own: nothing of the host is changed, so nothing needs restoring.
private_setting() {
    if [ -e "/proc/sys/$1" ]; then
        copy=$world/nodes/$name/sys/$(echo "$1" | tr / .)
        echo "$2" >"$copy"
        mount --bind "$copy" "/proc/sys/$1"
    fi
}
private_setting vm/overcommit_memory 1
private_setting vm/panic_on_oom 0
private_setting kernel/panic 10
private_setting kernel/panic_on_oops 1
private_setting kernel/keys/root_maxkeys 1000000
private_setting kernel/keys/root_maxbytes 25000000
hostname "$name"
# The kubelet's volumes must reach the containers' mount namespaces.
mount --make-rshared /
: >"$directory/up"
exec "$world/bin/echo-hostname" pause
