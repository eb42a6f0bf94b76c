#!/usr/bin/env bash
# A Slurm of one node for tests, as root in a container (Debian: apt-get install slurm-wlm munge). It has no
# accounting, and /dev/zero plays a GPU, of which only the number counts.
#     bash tests/e2e/one_node_slurm.sh FOLDER    # of its state and logs
set -euo pipefail
folder=$(realpath -m "${1:?a folder for state and logs}")
host=$(hostname -s)
[ -e /etc/slurm/slurm.conf ] && { echo "/etc/slurm/slurm.conf is there: this machine has a Slurm" >&2; exit 1; }
mkdir -p "$folder/state" "$folder/spool" /etc/slurm
cat > /etc/slurm/slurm.conf <<C
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
MpiDefault=none
ReturnToService=2
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(free -m | awk '/Mem/ {print int($2 * 0.8)}') Gres=gpu:1
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
C
echo "NodeName=$host Name=gpu File=/dev/zero" > /etc/slurm/gres.conf
install -d -o munge -g munge -m 0755 /run/munge
pgrep -x munged > /dev/null || runuser -u munge -- /usr/sbin/munged
slurmctld
slurmd
for _ in $(seq 150); do
    [ "$(sinfo -h -o %T)" = idle ] && break
    sleep 0.2
done
sinfo -N -l
