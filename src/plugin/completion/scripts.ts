/** Shells that completion is for; `kubectl` is not one, but what kubectl itself asks. */
export const SHELLS = ['bash', 'zsh', 'fish', 'powershell', 'kubectl'] as const;
export type Shell = (typeof SHELLS)[number];

/** Needs no bash-completion; arrays as bash 3.2 of macOS has them. */
const BASH = `# Completes kubectl-mcm in bash: source <(kubectl-mcm completion bash)
__kubectl_mcm_unquoted() {
  local before=\${1%%[\\"\\']*}
  if [[ $before == "$1" ]]; then
    printf '%s' "\${1//\\\\/}"
    return
  fi
  local quote=\${1:\${#before}:1} inside=\${1:\${#before}+1}
  printf '%s' "$before\${inside%"$quote"}"
}

__kubectl_mcm() {
  local rest=\${COMP_LINE:0:COMP_POINT} words=() at blanks word line typed value directive=0 quoted=
  # bash splits words at = and : as well: what no blank separates is one.
  for ((at = 0; at <= COMP_CWORD; at++)); do
    blanks=\${rest%%[![:space:]]*}
    rest=\${rest#"$blanks"}
    word=\${COMP_WORDS[at]}
    ((at == COMP_CWORD)) && word=$rest
    rest=\${rest#"$word"}
    if [[ -z $blanks ]] && ((\${#words[@]} > 0)); then
      words[\${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
  done
  typed=\${words[\${#words[@]} - 1]}
  [[ $typed == *[\\"\\']* ]] && quoted=1
  for at in "\${!words[@]}"; do words[at]=$(__kubectl_mcm_unquoted "\${words[at]}"); done
  typed=\${words[\${#words[@]} - 1]}
  [[ $typed == --*=* ]] && typed=\${typed#*=}
  # Of a word that stands in no quotes, bash puts in only what is behind the last of these.
  local kept=
  [[ -z $quoted ]] && kept=\${typed%"\${typed##*[=:]}"}
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :* ]]; then
      directive=\${line#:}
      continue
    fi
    value=\${line%%$'\\t'*}
    value=\${value#"$kept"}
    [[ -z $quoted && $value == *[[:space:]\\"\\'\\\\\\$\\&\\;\\|\\<\\>\\(\\)]* ]] && printf -v value '%q' "$value"
    # Only where they are listed, and nothing is put in.
    [[ $COMP_TYPE == 63 && $line == *$'\\t'* ]] && value="$value  (\${line#*$'\\t'})"
    COMPREPLY+=("$value")
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  case $directive in
    0) while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$typed") ;;
    16) while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$typed") ;;
  esac
  type compopt >/dev/null 2>&1 || return 0
  case $directive in
    0 | 16) compopt -o filenames 2>/dev/null ;;
    *) ((directive & 2)) && compopt -o nospace 2>/dev/null ;;
  esac
  ((directive & 32)) && compopt -o nosort 2>/dev/null
  return 0
}

complete -F __kubectl_mcm kubectl-mcm
`;

const ZSH = `#compdef kubectl-mcm
# Completes kubectl-mcm in zsh: source <(kubectl-mcm completion zsh)
_kubectl_mcm() {
  local -a lines values shown options
  local line value directive
  lines=("\${(@f)$("\${(Q)words[1]}" __complete "\${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
  directive=\${lines[-1]#:}
  [[ $PREFIX == --*=* ]] && compset -P 1 '*='
  case $directive in
    0) _files; return ;;
    16) _files -/; return ;;
  esac
  for line in "\${(@)lines[1,-2]}"; do
    value=\${line%%$'\\t'*}
    values+=("$value")
    if [[ $line == *$'\\t'* ]]; then
      shown+=("$value  -- \${line#*$'\\t'}")
    else
      shown+=("$value")
    fi
  done
  ((directive & 2)) && options+=(-S '')
  ((directive & 32)) && options+=(-V words)
  compadd -l -d shown "\${options[@]}" -a values
}

if [[ $funcstack[1] == _kubectl_mcm ]]; then
  _kubectl_mcm "$@"
else
  compdef _kubectl_mcm kubectl-mcm
fi
`;

const FISH = `# Completes kubectl-mcm in fish: kubectl-mcm completion fish | source
function __kubectl_mcm
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l typed (commandline -ct | string replace -r '^[\\'"]' '')
    set -l flag (string match -r -- '^--[^=]+=' "$typed")
    set -l lines ($program __complete $words "$typed" 2>/dev/null)
    set -l directive $lines[-1]
    set -e lines[-1]
    switch "$directive"
        case ':0'
            __fish_complete_path (string replace -r -- '^--[^=]+=' '' "$typed") | string replace -r -- '^' "$flag"
        case ':16'
            __fish_complete_directories (string replace -r -- '^--[^=]+=' '' "$typed") '' | string replace -r -- '^' "$flag"
    end
    for line in $lines
        printf '%s%s\\n' "$flag" $line
    end
end

complete -c kubectl-mcm -f -k -a '(__kubectl_mcm)'
`;

const POWERSHELL = `# Completes kubectl-mcm in PowerShell: kubectl-mcm completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName 'kubectl-mcm' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        Select-Object -Skip 1 | ForEach-Object { $_.ToString().Trim('"', "'") })
    $typed = "$wordToComplete".Trim('"', "'")
    $flag = if ($typed -match '^--[^=]+=') { $Matches[0] } else { '' }
    # Before 7.3 an argument that is empty is left out unless it is quoted.
    if ($typed -eq '' -and $PSVersionTable.PSVersion -lt [version]'7.3') { $typed = '""' }
    & $commandAst.CommandElements[0].ToString() __complete @words $typed 2>$null |
        Where-Object { $_ -notmatch '^:\\d+$' } | ForEach-Object {
            $value, $description = $_ -split "\`t", 2
            $text = if ("$flag$value" -match '\\s') { "'$flag$value'" } else { "$flag$value" }
            if (-not $description) { $description = $value }
            [System.Management.Automation.CompletionResult]::new($text, $value, 'ParameterValue', $description)
        }
}
`;

/** Under whichever name the plugin is installed: kubectl asks \`kubectl_complete-NAME\` about \`kubectl-NAME\`. */
const KUBECTL = `#!/bin/sh
# What kubectl asks for words behind "kubectl mcm": to be on the PATH, executable, as kubectl_complete-mcm.
"kubectl-\${0##*/kubectl_complete-}" __complete "$@" 2>/dev/null || echo :1
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
  powershell: POWERSHELL,
  kubectl: KUBECTL,
};
