#!/bin/bash
# Programs that know nothing of SFTP, on a server's files mounted by sshfs: git, SQLite, tar, borg, random work beside a copy in memory; and restic,
# which speaks it itself.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
. "$(dirname "$0")/../lib/clients.sh"
need_root
need sshfs git sqlite3 borg restic puttygen
[ -c /dev/fuse ] || skip_all "no /dev/fuse"
scratch
cat >"$SCRATCH/mount.ini" <<EOF
[server big]
owner = alice
command = ./run
disk = 1500M
inodes = 60000
port = 31011/udp
EOF
rig_up --ini "$SCRATCH/mount.ini"
clients_home
cd "$SCRATCH" || exit 1
mkdir mnt full

# mount_at FOLDER PATH; taken away at the end, whatever happened.
declare -A pid_of
mount_at() {
    sshfs -f -F "$SSH_CONFIG" "alice:$2" "$1" -o idmap=none,no_contain_symlinks >"$SCRATCH/sshfs.err" 2>&1 </dev/null &
    pid_of[$1]=$!
    wait_until 20 is_mounted "$1" || bail "sshfs: $(<"$SCRATCH/sshfs.err")"
}
# mountpoint(1) knows nothing of a mount whose program has gone.
is_mounted() { grep -q " $SCRATCH/$1 fuse.sshfs " /proc/self/mounts; }
unmount() {
    ! is_mounted "$1" || umount "$1" || umount -l "$1"
    [ -z "${pid_of[$1]-}" ] || wait "${pid_of[$1]}" 2>/dev/null
    pid_of[$1]=
}
cleanup unmount mnt
cleanup unmount full
again() { unmount mnt; mount_at mnt /big; }
mount_at mnt /big
tree make all plain odd
tree make links links
tree make many many

# --- copies ------------------------------------------------------------------------------------------------------------------------

ok "cp -a" cp -a --no-preserve=ownership all mnt/cp
ok "cp of symlinks" cp -rP links mnt/links
tar cf all.tar -C all .
mkdir mnt/tar
ok "tar x" tar xf all.tar --no-same-owner -C mnt/tar
ok "cp -a of 2,000 files" cp -a --no-preserve=ownership many mnt/many
again
same_tree all mnt/cp "cp's are the same after a new mount" mode time folders
same_tree links mnt/links "the symlinks are" links
same_tree all mnt/tar "tar's are" mode time folders
same_tree many mnt/many "the 2,000 are" mode time folders
ok "tar c from it" tar cf back.tar -C mnt/cp .
ok "rm -r" rm -r mnt/many mnt/tar
is "$(ls -A mnt | tr '\n' ' ')" "cp links " "removes it all"

# --- git ---------------------------------------------------------------------------------------------------------------------------------

git config --global user.name tester; git config --global user.email tester@localhost; git config --global safe.directory '*'
git config --global gc.auto 0
git init -q source; cp -r many/. all/. source/
git -C source add -A; git -C source commit -qm first
for i in 1 2 3 4 5; do echo $i >"source/00/change"; git -C source add -A; git -C source commit -qm "change $i"; done
ok "git clone" git clone -q --no-local source mnt/clone
ok "git fsck" git -C mnt/clone fsck --strict
is "$(git -C mnt/clone status --short)" "" "git sees no change"
echo more >>mnt/clone/00/change
ok "git commit" git -C mnt/clone commit -qam more
ok "git checkout -b, merge, stash" bash -c 'cd mnt/clone && git checkout -qb side HEAD~3 && echo side >side && git add side && git commit -qm side &&
    git merge -q -m merged - && echo dirty >>side && git stash -q && git stash pop -q && git checkout -q side'
ok "git gc" git -C mnt/clone gc -q
ok "git push" git -C mnt/clone push -q origin HEAD:refs/heads/pushed
again
ok "git fsck after a new mount" git -C mnt/clone fsck --strict
is "$(git -C mnt/clone rev-parse HEAD)" "$(git -C source rev-parse pushed)" "what was pushed is what is there"

# --- SQLite -------------------------------------------------------------------------------------------------------------------------------

sql() { timeout 60 sqlite3 -init /dev/null -batch "$@" 2>&1; }
for mode in delete truncate persist memory wal; do
    is "$(sql mnt/$mode.db "PRAGMA journal_mode=$mode; CREATE TABLE t(a INTEGER PRIMARY KEY, b);
        BEGIN; INSERT INTO t SELECT value, randomblob(500) FROM generate_series(1, 2000); COMMIT;
        BEGIN; DELETE FROM t WHERE a % 3 = 0; UPDATE t SET b = randomblob(9000) WHERE a < 200; ROLLBACK;
        BEGIN; UPDATE t SET b = randomblob(700) WHERE a % 2; COMMIT;
        BEGIN; DELETE FROM t WHERE a > 1500; COMMIT; VACUUM; PRAGMA integrity_check; SELECT count(*), sum(length(b)) FROM t;" | tr '\n' ' ')" \
        "$mode ok 1500|900000 " "SQLite with journal_mode=$mode"
done
again
for mode in delete truncate persist memory wal; do
    is "$(sql mnt/$mode.db 'PRAGMA integrity_check; SELECT count(*), sum(length(b)) FROM t;' | tr '\n' ' ')" "ok 1500|900000 " \
        "journal_mode=$mode after a new mount"
done

# --- random work ------------------------------------------------------------------------------------------------------------------------------

for seed in 11 12 13; do
    mkdir -p mnt/random/$seed
    ok "1,500 random steps on files, seed $seed" "$HERE/t/lib/exercise.py" work mnt/random/$seed $seed 1500 shadow.$seed
done
again
for seed in 11 12 13; do ok "the same after a new mount, seed $seed" "$HERE/t/lib/exercise.py" check mnt/random/$seed shadow.$seed; done

# --- a cut --------------------------------------------------------------------------------------------------------------------------------------

head -c 200M /dev/urandom >huge
(dd if=huge of=mnt/cut bs=64k >/dev/null 2>&1) & writer=$!
wait_until 20 has_size 10000000 /big/cut
{ kill -KILL ${pid_of[mnt]}; wait ${pid_of[mnt]}; } 2>/dev/null
wait $writer
isnt $? 0 "a program that writes when sshfs is killed is told"
unmount mnt
ok "its session ends" wait_until 20 no_session
mount_at mnt /big
ok "what arrived is what was sent" cmp -n "$(stat -c %s mnt/cut)" mnt/cut huge
ok "once more" cp huge mnt/cut
again
ok "all of it" cmp mnt/cut huge
rm mnt/cut

# --- borg ----------------------------------------------------------------------------------------------------------------------------------------------

export BORG_PASSPHRASE=secret BORG_RSH="ssh -F $SSH_CONFIG"
ok "borg init on the mount" borg init -e repokey mnt/borg
ok "borg create" borg create mnt/borg::first all links many
ok "borg create of little change" bash -c 'echo >>many/05/"file 0005.dat" && borg create mnt/borg::second all links many'
ok "borg delete, compact" bash -c 'borg delete mnt/borg::first && borg compact mnt/borg'
again
ok "borg check" borg check --verify-data mnt/borg
mkdir borg.back
ok "borg extract" env -C borg.back borg extract "$SCRATCH/mnt/borg::second"
same_tree all borg.back/all "the same" mode time folders
same_tree many borg.back/many "the same" mode time folders
run borg init -e none ssh://alice/big/other
isnt $rc 0 "borg over ssh is refused"
exits 127 "as any verb there is none of" hf alice borg serve --umask=077
like "$err" "unknown verb 'borg'" "by name"

# --- restic ------------------------------------------------------------------------------------------------------------------------------------------

export RESTIC_PASSWORD=secret RESTIC_REPOSITORY=sftp:alice:/big/restic
restic_do() { timeout 100 restic -q --cache-dir "$SCRATCH/cache" -o "sftp.command=ssh -F $SSH_CONFIG alice -s sftp" "$@"; }
ok "restic init" restic_do init
ok "restic backup" restic_do backup all links many
ok "restic check --read-data" restic_do check --read-data
ok "restic restore" restic_do restore latest --target restic.back
same_tree all restic.back/all "the same" mode time folders
same_tree links restic.back/links "the same" links
same_tree many restic.back/many "the same" mode time folders
rm -r many/07
ok "restic backup of what changed" restic_do backup all links many
ok "restic forget --prune" restic_do forget --keep-last 1 --prune
ok "restic check" restic_do check
like "$(restic_do snapshots --json)" '^\[\{[^}]*\}[^}]*\]$|"paths"' "restic snapshots"

# --- a full disk -----------------------------------------------------------------------------------------------------------------------------------------

mount_at full /two
cp all/mid full/precious
cp -r many/04 full/some
sql full/kept.db "CREATE TABLE t(b); INSERT INTO t SELECT randomblob(500) FROM generate_series(1, 500);" >/dev/null
nok "cp of what does not fit fails" cp huge full/huge
nok "so does dd with fsync" dd if=huge of=full/huge bs=1M conv=fsync
nok "and a program that asks for one more byte" bash -c 'head -c 100000 huge >full/more'
nok "SQLite cannot either" sqlite3 -init /dev/null -batch full/kept.db 'INSERT INTO t SELECT randomblob(5000) FROM generate_series(1, 500)'
ok "git clone is refused" bash -c '! git clone -q --no-local source full/clone'
RESTIC_REPOSITORY=sftp:alice:/two/restic
nok "restic says so" restic_do init
rm -f full/huge full/more
unmount full; mount_at full /two
ok "what was there is unharmed" cmp all/mid full/precious
same_tree many/04 full/some "also many"
is "$(sql full/kept.db 'PRAGMA integrity_check; SELECT count(*) FROM t' | tr '\n' ' ')" "ok 500 " "and the database"
ok "there is room again" cp all/mid full/again

unmount full; unmount mnt
ok "no session is left" wait_until 20 no_session
is "$(role_pids files | wc -l)" 0 "nor a files worker"
unlike "$(grep -c 'BUG\|invariant' "$LOG")" '[1-9]' "no invariant broke"
done_testing
