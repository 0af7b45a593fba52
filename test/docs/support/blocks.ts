// SPDX-License-Identifier: Apache-2.0
/**
 * Markdown as these tests read it. A fence of `sh` is run; what follows the language says how: `stays="text"` goes on in the background once it has
 * printed the text, `exit=1` ends with that code, `skip="reason"` is not run here. A fence of `text` right below is what it prints, coarsely.
 */
export interface Block {
  line: number
  text: string
  exit: number
  stays: string | undefined
  skip: string | undefined
  /** Lines that the output has, in this order. */
  output: string[]
}

const FENCE = /^(\s*)(`{3,})(\S*)(.*)$/

interface Fence {
  line: number
  language: string
  info: string
  text: string
  /** Nothing but empty lines since the fence before. */
  follows: boolean
}

export function fencesOf(markdown: string): Fence[] {
  const found: Fence[] = []
  let open: (Fence & { indent: string; marks: string; lines: string[] }) | undefined
  let follows = false
  for (const [i, line] of markdown.split('\n').entries()) {
    const [, indent = '', marks = '', language = '', info = ''] = FENCE.exec(line) ?? []
    if (open === undefined) {
      if (marks !== '') open = { line: i + 1, language, info: info.trim(), text: '', follows, indent, marks, lines: [] }
      else if (line.trim() !== '') follows = false
    } else if (marks === open.marks && language === '') {
      found.push({ line: open.line, language: open.language, info: open.info, follows: open.follows, text: open.lines.join('\n') })
      open = undefined
      follows = true
    } else open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line)
  }
  if (open !== undefined) throw new Error(`line ${open.line}: the fence has no end`)
  return found
}

/** @throws Error for what follows `sh` and means nothing */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = []
  let last: Block | undefined
  for (const { line, language, info, text, follows } of fencesOf(markdown)) {
    if (language === 'text' && follows && last !== undefined) last.output = text.split('\n').filter((part) => part.trim() !== '')
    last = undefined
    if (language !== 'sh') continue
    const of = (name: string): string | undefined => new RegExp(`(?:^| )${name}="([^"]+)"`).exec(info)?.[1]
    const rest = info.replaceAll(/(?:^| )(?:stays|skip)="[^"]+"|(?:^| )exit=\d+/g, '').trim()
    if (rest !== '') throw new Error(`line ${line}: \`${rest}\` after \`sh\` means nothing here`)
    last = { line, text, exit: Number(/(?:^| )exit=(\d+)/.exec(info)?.[1] ?? 0), stays: of('stays'), skip: of('skip'), output: [] }
    blocks.push(last)
  }
  return blocks
}

/** A line without what differs from run to run: numbers, hex, paths of this machine, width of columns. */
const coarse = (line: string): string =>
  line
    .replaceAll(/0x[0-9a-fA-F]*…?|0x…/g, '#')
    .replaceAll(/(?:\/(?:[\w.-]+|…)){2,}/g, '/')
    .replaceAll(/\d[\d.,]*(?: %)?|–/g, '#')
    .replaceAll(/\s+/g, ' ')
    .trim()

/** The first line of `wanted` that the output does not have where it should; undefined when it has all. `…` stands for anything. */
export function missing(wanted: readonly string[], output: string): string | undefined {
  const lines = output.split('\n').map(coarse)
  let from = 0
  for (const want of wanted) {
    const pattern = coarse(want)
      .split('…')
      .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')
    const at = lines.findIndex((line, i) => i >= from && new RegExp(`^${pattern}$`).test(line))
    if (at < 0) return want
    from = at + 1
  }
  return undefined
}

/** Targets of links, with their lines; not those in fences. */
export function linksOf(markdown: string): { line: number; target: string }[] {
  const hidden = new Set<number>()
  for (const { line, text } of fencesOf(markdown)) for (let i = line; i <= line + text.split('\n').length + 1; i += 1) hidden.add(i)
  return markdown.split('\n').flatMap((text, i) =>
    hidden.has(i + 1)
      ? []
      : [...text.replaceAll(/`[^`]*`/g, (quoted) => 'x'.repeat(quoted.length)).matchAll(/\]\(([^)\s]+)\)|\bsrc="([^"]+)"/g)].map(
          ([, link, source]) => ({
            line: i + 1,
            target: link ?? source ?? '',
          }),
        ),
  )
}

/** Anchors of headings, as code hosts make them. */
export function anchorsOf(markdown: string): Set<string> {
  const found = new Set<string>()
  const inFence = new Set<number>()
  for (const { line, text } of fencesOf(markdown)) for (let i = line; i <= line + text.split('\n').length; i += 1) inFence.add(i)
  for (const [i, line] of markdown.split('\n').entries()) {
    const heading = inFence.has(i + 1) ? undefined : /^#{1,6} (.+)$/.exec(line)?.[1]
    if (heading === undefined) continue
    const base = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-')
    let anchor = base
    for (let n = 1; found.has(anchor); n += 1) anchor = `${base}-${n}`
    found.add(anchor)
  }
  return found
}
