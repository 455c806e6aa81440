#!/bin/bash
# What stock clients run over exec: digests as coreutils prints them, df, test, echo, pwd, true; and rclone, which keeps what it finds at first contact.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
rig_up
scratch
cd "$SCRATCH" || exit 1
mkdir one
printf 'hello\n' >one/small
: >one/empty
head -c 3000000 /dev/urandom >one/mid
printf 'x' >'one/a b'; printf 'y' >'one/back\slash'; printf 'z' >$'one/new\nline'; printf 'w' >"one/it's"; printf 'v' >one/-dash
printf 'u' >$'one/re\rturn'; mkdir one/dir
ok "files to work on" batch alice <<<$'put one/small /one/small\nput one/empty /one/empty\nput one/mid /one/mid\nmkdir /one/dir'
"$HERE/t/lib/sftp_raw.py" put "$HOST" "$PORT" "$KEY" one /one >raw.out 2>&1
is "$?$(cat raw.out)" 0 "and those that sftp cannot name"

hf_one() { timeout -k 5 "$RUN_BOUND" "${SSH[@]}" -l alice+one alice "$@"; }

# --- digests ------------------------------------------------------------------------------------------------------------------------

# The same words here and there: output, to the byte, and exit code.
same() {
    local words="$1" input=${2-/dev/null} there here
    there=$(hf alice "$1" <"$input" 2>/dev/null; echo "exit $?")
    here=$(bash -c "$1" <"$input" 2>/dev/null; echo "exit $?")
    is "$there" "$here" "$words${2+ < $2}"
}
for sum in md5sum sha1sum sha224sum sha256sum sha384sum sha512sum; do
    same $sum
    same $sum one/mid
    same "$sum one/small one/empty one/mid"
done
same "sha256sum -" one/mid
same "sha256sum one/small - one/mid" one/mid
same "sha256sum - -" one/small
same "md5sum -b one/small"
same "md5sum one/small --binary"
same "md5sum -t one/small"
same "md5sum --tag one/small"
same "md5sum --tag 'one/back\\slash'"
is "$(hf alice md5sum -z one/small one/empty | cat -v)" "$(md5sum -z one/small one/empty | cat -v)" "md5sum -z"
same "md5sum 'one/a b' one/a\\ b \"one/it's\" one/it\\'s"
same "md5sum 'one/back\\slash'"
same "md5sum one/new'
'line"
same $'md5sum "one/re\rturn"'
same "md5sum -- one/-dash"
same "md5sum one/nothing one/small"
same "md5sum one/dir one/small"
same "md5sum one/nothing"
run hf alice "md5sum one/nothing"
like "$err" "^md5sum: one/nothing: no such file" "a missing file is named"
run hf alice "md5sum --check x"
is "$rc" 2 "an unknown option is refused"
like "$err" "allowed" "with what is allowed"
run hf alice "md5sum three/run"
is "$rc" 1 "another's file is not hashed"
batch alice <<<"ln -s /etc/passwd /one/escape" >/dev/null 2>&1
run hf alice "md5sum one/escape /etc/passwd ../../etc/passwd"
is "$rc$out" 1 "nor what lies outside"
same "sha256sum one/../one/./mid"
is "$(hf_one sha256sum mid | cut -c1-64)" "$(sha256sum <one/mid | cut -c1-64)" "a login into one server starts there"

# A long one does not hold up its neighbours on the connection.
ok "a file for a hole" bash -c "printf 'put one/empty /one/hole\n' | sftp -F '$SSH_CONFIG' -b - alice"
"$HERE/t/lib/sftp_raw.py" beside "$HOST" "$PORT" "$KEY" >beside.out 2>&1
import_results beside.out "beside: "

# --- the rest -------------------------------------------------------------------------------------------------------------------------

df_says() { hf alice "$1" | awk 'NR == 2 { print $1, $NF, NF }'; }
is "$(df_says 'df -k one')" "one /one 6" "df -k PATH"
is "$(df_says 'df -k one/dir')" "one /one 6" "of a folder"
is "$(hf alice 'df -k /' | awk 'NR > 1 { print $1 }')" $'one\ntwo' "of / lists all"
is "$(hf alice 'df' | wc -l)" 3 "and so without a path"
is "$(hf_one 'df -k /' | awk 'NR == 2 { print $1, $NF }')" "one /" "a login into one server"
read -r total used free <<<"$(hf alice 'df -k one' | awk 'NR == 2 { print $2, $3, $4 }')"
is $((used + free)) "$total" "used and available make up the whole"
atmost "$total" 65536 "which is the server's"
nok "df of what is not there" hf alice "df -k nothing"
ok "df -h" hf alice "df -h one"
for yes in "-d /" "-d one" "-d one/dir" "-e one/small" "-f one/small" "-f 'one/a b'" "-s one/small" "-L one/escape"; do
    ok "test $yes" hf alice "test $yes"
done
for no in "-d one/small" "-f one/dir" "-e one/nothing" "-e three" "-s one/empty" "-f /" "-L one/small" "-e one/small/x"; do
    run hf alice "test $no"
    is "$rc" 1 "test $no: no"
done
run hf alice "test -e one/escape"
is "$rc" 2 "a link out of the server is neither"
run hf alice "test -Q one"
is "$rc" 2 "test with another question"
is "$(hf alice 'echo hello   "a  b" --json -n')" 'hello a  b --json -n' "echo"
is "$(hf alice 'echo -n x' | od -An -c | tr -d ' ')" x "echo -n"
is "$(hf alice 'echo ${ShellId}%ComSpec%')" '${ShellId}%ComSpec%' "what rclone asks to learn of the shell"
is "$(hf alice pwd)" / "pwd"
ok "true" hf alice true --whatever

# --- rclone ----------------------------------------------------------------------------------------------------------------------------

printf '[hf]\ntype = sftp\nhost = %s\nport = %s\nuser = alice\nkey_file = %s\nknown_hosts_file = %s\n' "$HOST" "$PORT" "$KEY" "$KNOWN_HOSTS" >rclone.conf
mkdir rc; for i in $(seq 20); do echo "$i" >"rc/f $i"; done; cp 'one/back\slash' one/a\ b rc/
ok "rclone copy" rclone --config rclone.conf -q copy rc hf:one/rc
is "$(sed -n 's/^shell_type = //p;s/^md5sum_command = //p;s/^sha1sum_command = //p' rclone.conf | sort | tr '\n' ' ')" "md5sum sha1sum unix " \
    "stores working checksums at first contact"
run rclone --config rclone.conf -vv check rc hf:one/rc
is "$rc" 0 "rclone check"
like "$err$out" "Using (md5|sha1) for hash comparisons" "by hash"
like "$err$out" "0 differences found" "finds no difference"
printf 'q' >rc/a\ b
touch -r one/a\ b rc/a\ b
run rclone --config rclone.conf check rc hf:one/rc
isnt "$rc" 0 "a changed byte of the same size is found"
is "$(rclone --config rclone.conf sha1sum hf:one/rc 2>/dev/null | grep -c .)" 22 "rclone sha1sum"
is "$(rclone --config rclone.conf md5sum hf:one/rc | grep -F 'back\slash' | cut -c1-32)" "$(md5sum <'one/back\slash' | cut -c1-32)" \
    "of a name with a backslash"
ok "rclone about" rclone --config rclone.conf about hf:one
is "$(role_pids files | wc -l)" 0 "no files worker is left"
unlike "$(grep -c 'BUG\|invariant' "$LOG")" '[1-9]' "no invariant broke"
done_testing
