import { alertSection } from './alert-section.ts'
import { ApiError, ask, token } from './api.ts'
import { createBoard } from './board.ts'
import { breakerSection } from './breaker-section.ts'
import { sectionOf } from './section.ts'
import { cacheSection } from './cache-section.ts'
import { setAttribute, setText, show } from './dom.ts'
import { followEvents } from './event-stream.ts'
import { fleetSection } from './fleet-section.ts'
import { modeText, reasonText } from './format.ts'
import { headline } from './headline.ts'
import { letterSection } from './letter-section.ts'
import { limitSection } from './limit-section.ts'
import { announce, notify } from './notice.ts'
import { outboxSection } from './outbox-section.ts'
import { outcomeSection } from './outcome-section.ts'
import { themeButton } from './theme.ts'
import { tokenDialog } from './token-dialog.ts'
import type { DashboardView, Summary, TransitionView } from './wire.ts'

/** How long after news of letters they are asked for, and how often without news, in ms. */
const lettersSoonMs = 700
const refreshMs = 10_000

const board = createBoard()
const letters = letterSection(board)
const outbox = outboxSection(board)
const alerts = alertSection(board)
const sections = [
  headline(board, () => letters.stats),
  breakerSection(board),
  fleetSection(board),
  outcomeSection(board),
  limitSection(board),
  cacheSection(board),
  letters,
  alerts,
]
const askForToken = tokenDialog(start)
let following = new AbortController()
let isDrawing = false
let lettersDue: number | undefined

themeButton(sectionOf('theme'))
sectionOf('token').addEventListener('click', () =>
  askForToken('An organization’s token shows its own; the operator’s shows all, and may give orders.'),
)
start()
setInterval(() => void refresh(), refreshMs)
document.addEventListener('visibilitychange', draw)

function start(): void {
  following.abort()
  following = new AbortController()
  const listener = { onEvent, onState, onRefused: refused }
  void followEvents(['transition', 'letter', 'summary'], listener, following.signal)
}

function onEvent(kind: string, data: string): void {
  if (kind === 'reset' || (kind === 'ready' && board.view === undefined)) void loadAll()
  if (kind === 'transition') onTransition(JSON.parse(data) as TransitionView)
  if (kind === 'summary') board.onSummary(JSON.parse(data) as Summary)
  if (kind === 'letter') lettersDue ??= setTimeout(() => void loadLetters(), lettersSoonMs)
  draw()
}

function onTransition(transition: TransitionView): void {
  if (!board.onTransition(transition) || transition.scope !== 'fleet') return
  const { breaker, to, reason, counts } = transition
  announce(`Breaker ${breaker} is ${modeText(to)}: ${reasonText(reason, counts)}`)
}

async function loadAll(): Promise<void> {
  await asked(async () => {
    board.onView(await ask<DashboardView>('GET', '/v1/dashboard'))
    introduce()
    draw()
    await Promise.all([letters.load(), outbox.load()])
  })
}

function introduce(): void {
  const { view } = board
  if (view === undefined) return
  const whose = view.organization === undefined ? 'operator' : view.organization
  setText(
    sectionOf('whose'),
    `fleet ${view.fleet} · seen by ${view.instance} · ${token() === undefined ? 'without a token' : whose}`,
  )
  show(sectionOf('content'), true)
}

async function loadLetters(): Promise<void> {
  lettersDue = undefined
  await asked(letters.load)
}

/** Counts of closed breakers, and what no event tells of. */
async function refresh(): Promise<void> {
  if (document.hidden || board.view === undefined || following.signal.aborted) return
  await asked(async () => {
    board.onView(await ask<DashboardView>('GET', '/v1/dashboard'))
    await Promise.all([letters.load(), outbox.load(), alerts.refresh()])
  })
}

async function asked(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) refused(error)
    else if (error instanceof ApiError) notify(error.message, 'bad')
    // Else the connection is lost, which is said already.
  }
}

function refused(error: ApiError): void {
  following.abort()
  onState('lost')
  askForToken(error.message)
}

function onState(state: 'live' | 'lost'): void {
  const place = sectionOf('state')
  setText(place, state === 'live' ? 'live' : 'not connected')
  setAttribute(place, 'class', `state is-${state}`)
}

/** Once a frame, however much happens; a page that nobody sees is not drawn. */
function draw(): void {
  if (isDrawing || document.hidden) return
  isDrawing = true
  requestAnimationFrame(() => {
    isDrawing = false
    for (const section of sections) section.update()
  })
}
