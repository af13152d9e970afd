# Becomes a node: runs in fresh mount, PID, UTS and IPC namespaces and in the
# node's network namespace, sets up its mounts, then turns into the init that
# reaps orphans. Killing that init is a crash of the node.
# Arguments: the node's name, its directory, the world's directory, the seed with
# the images unpacked, and the cgroup below which its containers will be.
set -eu
name=$1 directory=$2 world=$3 seed=$4 cgroup=$5
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
# containerd's databases are the node's own; what they speak of is the seed's.
content=io.containerd.content.v1.content
snapshotter=io.containerd.snapshotter.v1.overlayfs
cd /var/lib/containerd
cp -r "$seed/io.containerd.metadata.v1.bolt" .
mkdir -p "$content" "$snapshotter/snapshots" ../content/upper ../content/work
cp "$seed/$snapshotter/metadata.db" "$snapshotter/"
mount -t overlay \
    -o "lowerdir=$seed/$content,upperdir=/var/lib/content/upper,workdir=/var/lib/content/work" \
    "$name" "$content"
for snapshot in "$seed/$snapshotter/snapshots"/*; do
    mkdir "$snapshotter/snapshots/${snapshot##*/}"
    mount --bind -o ro "$snapshot" "$snapshotter/snapshots/${snapshot##*/}"
done
cd /
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
# The kubelet wants its cgroup root to be there, in every hierarchy; where there is
# only the unified one (version 2), with every controller handed down to it.
unified=yes
while read -r _ _ kind _; do
    if [ "$kind" = cgroup ]; then unified=no; fi
done </proc/self/mounts
make_cgroup() {
    path=$1
    for part in $(echo "$cgroup" | tr / ' '); do
        if [ "$unified" = yes ]; then
            for controller in $(cat "$path/cgroup.controllers"); do
                echo "+$controller" >"$path/cgroup.subtree_control"
            done
        fi
        path=$path/$part
        mkdir -p "$path"
    done
}
while read -r _ hierarchy kind _; do
    case $kind in cgroup | cgroup2) make_cgroup "$hierarchy" ;; esac
done </proc/self/mounts
hostname "$name"
# The kubelet's volumes must reach the containers' mount namespaces.
mount --make-rshared /
: >"$directory/up"
exec "$world/bin/echo-hostname" pause
