# bash completion for holdfast(8)

_holdfast_folder() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -c | --config) echo "${COMP_WORDS[i + 1]}"; return ;;
        --config=*) echo "${COMP_WORDS[i]#*=}"; return ;;
        esac
    done
    "${COMP_WORDS[0]}" help 2>/dev/null | sed -n 's/.*ini files, instead of //p'
}

_holdfast() {
    local cur=${COMP_WORDS[COMP_CWORD]} verb='' before='' i folder
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -c | --config | --run) i=$((i + 1)) ;;
        -*) ;;
        *) before=${verb:+${COMP_WORDS[i]}}; verb=${verb:-${COMP_WORDS[i]}} ;;
        esac
    done
    COMPREPLY=()
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -c | --config | --run) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    esac
    case $verb:$before:$cur in
    *:-*) mapfile -t COMPREPLY < <(compgen -W "--run --config --json --help" -- "$cur") ;;
    ::* | help::*)
        mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" help 2>/dev/null | awk '/^  [a-z]/ { print $1 }')" -- "$cur") ;;
    server::*) mapfile -t COMPREPLY < <(compgen -W "freeze kill lock plan restart seccomp show start stop thaw unlock" -- "$cur") ;;
    server:*) mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" --json status 2>/dev/null | sed 's/^{"server":"\([^"]*\)".*/\1/')" -- "$cur") ;;
    quota::*) mapfile -t COMPREPLY < <(compgen -W "migrate" -- "$cur") ;;
    quota:migrate:*) mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" --json status 2>/dev/null | sed 's/^{"server":"\([^"]*\)".*/\1/')" -- "$cur") ;;
    image::*) mapfile -t COMPREPLY < <(compgen -W "list import rm" -- "$cur") ;;
    image:rm:*) mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" image list 2>/dev/null | awk '{ print $1 }')" -- "$cur") ;;
    image:import:*) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    quota::*) mapfile -t COMPREPLY < <(compgen -W "check list" -- "$cur") ;;
    quota:*) mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" --json status 2>/dev/null | sed 's/^{"server":"\([^"]*\)".*/\1/')" -- "$cur") ;;
    ban::*) mapfile -t COMPREPLY < <(compgen -W "add list rm" -- "$cur") ;;
    ban:rm:*) mapfile -t COMPREPLY < <(compgen -W "all $("${COMP_WORDS[0]}" ban list 2>/dev/null | awk '{ print $1 }')" -- "$cur") ;;
    account::*) mapfile -t COMPREPLY < <(compgen -W "passwd totp-reset" -- "$cur") ;;
    account:passwd:* | account:totp-reset:*)
        folder=$(_holdfast_folder)
        mapfile -t COMPREPLY < <(compgen -W "$(sed -n 's/^[ \t]*\[account[ \t]\{1,\}\([^]]*\)\].*/\1/p' \
            "$folder/accounts.ini" "$folder"/accounts.d/*.ini 2>/dev/null)" -- "$cur") ;;
    kick::*)
        mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" sessions 2>/dev/null | awk '{ print $1; if ($2 != "-") print $2 }')" -- "$cur") ;;
    esac
}
complete -F _holdfast holdfast
