/** The dashboard in a real browser over real parts: looks are for people, these are the promises behind them. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_TOKEN, listen, openRig, type Rig } from '../admin/rig.ts'
import { seed } from './seed.ts'

const CHROMIUM = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'
/** Set to keep the screenshots. */
const SHOTS = process.env.SWITCHGATE_SCREENSHOTS
const found = existsSync(CHROMIUM)
if (!found) process.stderr.write(`dashboard tests skipped: no Chromium at ${CHROMIUM} (set CHROMIUM_PATH)\n`)

const PAGES = [
  ['overview', '/dashboard'],
  ['overview-30d', '/dashboard?range=30d'],
  ['keys', '/dashboard/keys'],
  ['requests', '/dashboard/requests'],
  ['request', '/dashboard/requests/req_failedover'],
  ['targets', '/dashboard/targets'],
  ['credentials', '/dashboard/credentials?new=1'],
  ['audit', '/dashboard/audit?verify=1'],
  ['docs', '/admin/docs'],
] as const

interface World {
  readonly rig: Rig
  readonly browser: Browser
  readonly origin: string
  close(): Promise<void>
}

async function openWorld(withTraffic: boolean): Promise<World> {
  const rig = await openRig()
  if (withTraffic) await seed(rig)
  const server = await listen(rig)
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  return {
    rig,
    browser,
    origin: server.origin,
    async close() {
      await browser.close()
      await server.close()
      await rig.close()
    },
  }
}

type Look = {
  readonly dark?: boolean
  readonly phone?: boolean
  /** CSS pixels, in place of 390 of a phone and 1280 of a screen. */
  readonly width?: number
  readonly script?: boolean
}

/** A page whose console errors (CSP violations are among them) are kept. */
async function openPage(world: World, look: Look = {}) {
  const context: BrowserContext = await world.browser.newContext({
    colorScheme: look.dark ? 'dark' : 'light',
    viewport: look.phone
      ? { width: look.width ?? 390, height: 844 }
      : { width: look.width ?? 1280, height: 860 },
    deviceScaleFactor: look.phone ? 2 : 1,
    javaScriptEnabled: look.script ?? true,
  })
  const page = await context.newPage()
  const faults: string[] = []
  page.on('console', message => {
    if (message.type() === 'error') faults.push(message.text())
  })
  page.on('pageerror', error => faults.push(String(error)))
  page.on('request', request => {
    if (!request.url().startsWith(world.origin) && !request.url().startsWith('data:'))
      faults.push(request.url())
  })
  return { page, faults, context }
}

async function login(world: World, page: Page): Promise<void> {
  await page.goto(`${world.origin}/dashboard`)
  await page.getByLabel('Admin token').fill(ADMIN_TOKEN)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${world.origin}/dashboard`)
}

async function shoot(page: Page, name: string): Promise<void> {
  if (SHOTS === undefined) return
  mkdirSync(SHOTS, { recursive: true })
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true })
}

/** Every panel that asks before a change, opened: it stands inside the page, and one is open at a time. */
async function checkPanels(page: Page, name: string): Promise<number> {
  const panels = page.locator('details.confirm')
  const count = await panels.count()
  // as the page comes, also when it is looked at in a second width
  for (const panel of await panels.all()) await panel.evaluate(element => element.removeAttribute('open'))
  for (let at = 0; at < count; at++) {
    await panels.nth(at).locator('summary').click()
    const { open, left, right, seen, scrolled, covered } = await page.evaluate(() => {
      const open = [...document.querySelectorAll('details.confirm[open] > .panel')]
      const box = open[0]?.getBoundingClientRect() ?? new DOMRect()
      const text = open[0]?.querySelector('p')?.getBoundingClientRect() ?? new DOMRect()
      const above = document.elementFromPoint(text.left + 5, text.bottom - 5)
      const { clientWidth: seen, scrollWidth: scrolled } = document.documentElement
      const covered = open[0]?.contains(above) !== true
      return { open: open.length, left: box.left, right: box.right, seen, scrolled, covered }
    })
    const label = `${name}: ${await panels.nth(at).locator('summary').textContent()}`
    expect(open, label).toBe(1)
    expect(left, label).toBeGreaterThanOrEqual(0)
    expect(right, label).toBeGreaterThan(left + 200)
    expect(right, label).toBeLessThanOrEqual(seen)
    expect(scrolled, label).toBeLessThanOrEqual(seen)
    expect(covered, `${label} is covered`).toBe(false)
    await shoot(page, `${name}-panel-${at}`)
  }
  return count
}

describe.skipIf(!found)('the dashboard with a month of traffic', () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(true)
  })
  afterAll(() => world?.close())

  it.each([
    ['light', {}, [1280, 830]],
    ['dark', { dark: true }, [1280]],
    ['phone', { phone: true }, [390, 375, 320]],
  ] as const)(
    'shows every page without a fault and without scrolling sideways (%s)',
    async (name, look, widths) => {
      const { page, faults, context } = await openPage(world, look)
      await page.goto(`${world.origin}/dashboard`)
      await shoot(page, `${name}-login`)
      await login(world, page)
      const first = world.rig.deps.keys.list()[0]
      const [credential] = await world.rig.deps.vault.list()
      for (const [title, path] of [
        ...PAGES,
        ['key', `/dashboard/keys/${first?.id}`],
        ['credential', `/dashboard/credentials/${credential?.id}`],
      ] as const) {
        const answer = await page.goto(world.origin + path)
        expect(answer?.status(), path).toBe(200)
        expect(answer?.headers()['content-security-policy']).toContain("default-src 'none'")
        expect(answer?.headers()['cache-control']).toBe('no-store')
        for (const width of widths) {
          await page.setViewportSize({ width, height: 860 })
          const [scrolled, seen] = await page.evaluate(() => [
            document.documentElement.scrollWidth,
            document.documentElement.clientWidth,
          ])
          expect(seen).toBe(width)
          expect(scrolled, `${path} is wider than the screen`).toBeLessThanOrEqual(seen)
          await shoot(page, `${name}-${width}-${title}`)
          const asked = await checkPanels(page, `${name}-${width}-${title}`)
          expect(asked, title).toBe(title === 'key' ? 3 : title === 'credential' ? 4 : 0)
        }
      }
      expect(faults).toEqual([])
      await context.close()
    },
  )

  it('draws the spend of the store: the chart’s table adds up to the total', async () => {
    const { page, context } = await openPage(world)
    await login(world, page)
    await page.goto(`${world.origin}/dashboard?range=7d`)
    const now = world.rig.nowMs
    const day = 86_400_000
    const toMs = (Math.floor(now / day) + 1) * day
    const [total] = await world.rig.deps.store.spend({ fromMs: toMs - 7 * day, toMs, groupBy: [] })
    const label = await page.locator('.chart svg').getAttribute('aria-label')
    const shown = Number(/\$([\d.]+) in all/.exec(label ?? '')?.[1])
    expect(shown).toBeCloseTo((total?.costNanoUsd ?? 0) / 1e9, 1)
    expect(await page.locator('.chart .column').count()).toBe(7)
    await context.close()
  })

  it.each([1280, 900, 390])('has tiles and no empty place among them at %i px', async width => {
    const { page, context } = await openPage(world, { width })
    await login(world, page)
    await page.locator('.stats').waitFor()
    for (const wanted of [5, 6, 7]) {
      const uneven = await page.evaluate(count => {
        const slab = document.querySelector('.stats')
        const first = slab?.firstElementChild
        if (!slab || !first) return ['no tiles']
        slab.replaceChildren(...Array.from({ length: count }, () => first.cloneNode(true)))
        const end = slab.getBoundingClientRect().right - 1
        const boxes = [...slab.children].map(tile => tile.getBoundingClientRect())
        const rows = Map.groupBy(boxes, box => Math.round(box.top))
        const ends = [...rows.values()].map(row => Math.max(...row.map(box => box.right)))
        return ends.filter(right => Math.abs(right - end) > 1).map(right => `${right} of ${end}`)
      }, wanted)
      expect(uneven, `${wanted} tiles`).toEqual([])
      await shoot(page, `tiles-${wanted}-${width}`)
    }
    await context.close()
  })

  it.each([1280, 1000])('breaks no name in the history in the middle of a word (%i px)', async width => {
    const { vault, audit } = world.rig.deps
    const id = await audit.as({ actor: 'dashboard', address: '127.0.0.1' }, async () => {
      const { id } = await vault.add({ provider: 'groq', name: `history-${width}`, secret: 'sk-good-0' })
      await vault.replace(id, 'sk-good-1')
      for (const text of ['sk-good-2', 'sk-good-3']) await vault.replace(id, text, { stage: 'pending' })
      await vault.promote(id, 3_600_000)
      return id
    })
    const { page, context } = await openPage(world, { width })
    await login(world, page)
    await page.goto(`${world.origin}/dashboard/credentials/${id}`)
    const who = page.getByText('Dashboard', { exact: true })
    expect(await who.count()).toBe(5)
    for (const name of await who.all())
      expect(await name.evaluate(element => element.getClientRects().length)).toBe(1)
    await shoot(page, `history-${width}`)
    await vault.remove(id)
    await context.close()
  })

  it('shows hostile names as text', async () => {
    const { page, faults, context } = await openPage(world)
    await login(world, page)
    await page.goto(`${world.origin}/dashboard/keys`)
    expect(await page.getByText('<b onmouseover=alert(1)>bold</b>').count()).toBe(1)
    expect(await page.locator('b[onmouseover]').count()).toBe(0)
    expect(faults).toEqual([])
    await context.close()
  })

  it.each([
    ['with script', true],
    ['without script', false],
  ] as const)('makes a key that is shown once, suspends, resumes and revokes it (%s)', async (_, script) => {
    const { page, faults, context } = await openPage(world, { script })
    await login(world, page)
    await page.goto(`${world.origin}/dashboard/keys?new=1`)
    const name = `made-by-hand-${script}`
    await page.getByLabel('Name').fill(name)
    await page.getByLabel('Budget in USD').fill('12.5')
    await page.getByLabel('Requests per minute').fill('60')
    await shoot(page, `new-key-${script}`)
    await page.getByRole('button', { name: 'Make the key' }).click()
    const text = (await page.locator('#key-text').textContent()) ?? ''
    expect(text).toMatch(/^sgate_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/)
    await shoot(page, `minted-${script}`)
    expect(await page.getByRole('button', { name: 'Copy' }).isVisible()).toBe(script)
    const keys = world.rig.deps.keys.list().length
    await page.reload()
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('This key was made already')
    expect(await page.content()).not.toContain(text)
    expect(world.rig.deps.keys.list()).toHaveLength(keys)
    await page.getByRole('link', { name: 'To the key' }).waitFor()
    await shoot(page, `made-already-${script}`)
    const key = world.rig.deps.keys.list().find(entry => entry.name === name)
    expect(key?.budgets).toEqual([{ window: 'month', limitNanoUsd: 12_500_000_000, softNanoUsd: null }])
    expect(key?.limits.rpm).toBe(60)
    const id = key?.id ?? ''

    await page.goto(`${world.origin}/dashboard/keys/${id}`)
    expect(await page.content()).not.toContain(text)
    await page.getByText('Suspend…').click()
    await shoot(page, `confirm-${script}`)
    await page.getByRole('button', { name: 'Suspend now' }).click()
    expect(world.rig.deps.keys.get(id)?.status).toBe('suspended')
    await page.getByRole('button', { name: 'Resume' }).click()
    expect(world.rig.deps.keys.get(id)?.status).toBe('active')
    await page.getByText('Revoke…').click()
    await page.getByRole('button', { name: 'Revoke now' }).click()
    expect(world.rig.deps.keys.get(id)?.status).toBe('revoked')
    expect(faults).toEqual([])
    await context.close()
  })

  it.each([
    ['with script', true],
    ['without script', false],
  ] as const)(
    'keeps a credential, replaces, promotes, retires and forgets its secret (%s)',
    async (_, script) => {
      const { page, faults, context } = await openPage(world, { script, phone: !script })
      await login(world, page)
      await page.goto(`${world.origin}/dashboard/credentials`)
      await page.getByRole('link', { name: 'New credential' }).click()
      const name = `by-hand-${script}`
      await page.getByLabel('Provider').selectOption('groq')
      await page.getByLabel('Name').fill(name)
      await page.getByLabel('Secret', { exact: true }).fill('sk-good-first-secret')
      expect(await page.getByLabel('Secret', { exact: true }).getAttribute('type')).toBe('password')
      await shoot(page, `new-credential-${script}`)
      await page.getByRole('button', { name: 'Keep the credential' }).click()
      expect(await page.getByRole('status').textContent()).toContain('in use from now on')
      const stored = async () => {
        const found = (await world.rig.deps.vault.list()).find(one => one.name === name)
        if (found === undefined) throw new Error('it is not kept')
        return found
      }
      await page.getByRole('button', { name: 'Test' }).click()
      expect(await page.getByRole('status').textContent()).toContain('It works: accepted')

      await page.getByText('New secret', { exact: true }).click()
      await page.getByLabel('Secret', { exact: true }).fill('sk-bad-secret')
      await page.getByRole('button', { name: 'Replace the secret' }).click()
      expect(await page.getByRole('alert').textContent()).toContain('refused: 401')
      expect(await page.content()).not.toContain('sk-bad-secret')
      await shoot(page, `refused-secret-${script}`)
      await page.getByLabel('Secret', { exact: true }).fill('sk-good-second-secret')
      await page.getByLabel('In force').selectOption('pending')
      await page.getByRole('button', { name: 'Replace the secret' }).click()
      await page.getByText('Promote…').click()
      await shoot(page, `pending-secret-${script}`)
      await page.getByRole('button', { name: 'Promote now' }).click()
      expect(await world.rig.deps.vault.open(await stored())).toBe('sk-good-second-secret')
      await page.getByText('Retire previous…').click()
      await page.getByRole('button', { name: 'Retire previous now' }).click()
      expect((await stored()).others).toEqual([])
      await page.getByText('Delete…').click()
      await page.getByRole('button', { name: 'Delete now' }).click()
      await page.waitForURL(`${world.origin}/dashboard/credentials?done=deleted`)
      expect((await world.rig.deps.vault.list()).some(one => one.name === name)).toBe(false)
      // a refused change is answered 400, which browsers note in the console
      expect(faults.filter(text => !text.includes('400'))).toEqual([])
      await context.close()
    },
  )

  it('says what is wrong with a new key and keeps what was typed', async () => {
    const { page, context } = await openPage(world)
    await login(world, page)
    await page.goto(`${world.origin}/dashboard/keys?new=1`)
    await page.getByLabel('Name').fill('typed')
    await page.getByLabel('Requests per minute').fill('1.5')
    await page.getByRole('button', { name: 'Make the key' }).click()
    expect(await page.getByRole('alert').textContent()).toContain('limits.rpm')
    expect(await page.getByLabel('Name').inputValue()).toBe('typed')
    expect(await page.getByLabel('Requests per minute').getAttribute('aria-invalid')).toBe('true')
    await context.close()
  })

  it('can be walked by keyboard, and what has the focus is seen', async () => {
    const { page, context } = await openPage(world)
    await login(world, page)
    await page.goto(`${world.origin}/dashboard`)
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.textContent?.trim())).toBe('Skip to content')
    const walked: string[] = []
    for (let step = 0; step < 10; step++) {
      await page.keyboard.press('Tab')
      const [name, outline] = await page.evaluate(() => {
        const at = document.activeElement
        return [at?.textContent?.trim() ?? '', at === null ? '' : getComputedStyle(at).outlineStyle]
      })
      walked.push(name)
      expect(outline, `${name} shows no focus`).toBe('solid')
    }
    const places = ['Overview', 'Keys', 'Requests', 'Targets', 'Credentials', 'Audit']
    expect(walked).toEqual(['Switchgate', ...places, 'Sign out', '24h', '7d'])
    await context.close()
  })

  it('ends the session at sign out, also for the cookie’s copy', async () => {
    const { page, context } = await openPage(world)
    await login(world, page)
    const cookie = (await context.cookies()).find(entry => entry.name === 'switchgate_session')
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' })
    const headers = { cookie: `switchgate_session=${cookie?.value}`, host: '127.0.0.1:1' }
    expect((await world.rig.call('GET', '/admin/v1/keys', undefined, headers)).status).toBe(200)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(/\/dashboard\/login$/)
    expect((await world.rig.call('GET', '/admin/v1/keys', undefined, headers)).status).toBe(401)
    await context.close()
  })

  it('refreshes the list of requests by itself', async () => {
    const { page, faults, context } = await openPage(world)
    await page.clock.install()
    await login(world, page)
    await page.goto(`${world.origin}/dashboard/requests`)
    const key = world.rig.deps.keys.list()[0]
    if (key === undefined) throw new Error('no key')
    expect(await page.getByText('fresh-model').count()).toBe(0)
    world.rig.spend(key, { model: 'fresh-model' })
    await page.clock.fastForward(11_000)
    await page.getByText('fresh-model').waitFor({ timeout: 60_000 })
    expect(faults).toEqual([])
    await context.close()
  })
})

describe.skipIf(!found)('the dashboard of a fresh gateway', () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(false)
  })
  afterAll(() => world?.close())

  it('says on every page what to do next', async () => {
    const { page, faults, context } = await openPage(world)
    await login(world, page)
    for (const [name, path, words] of [
      ['overview', '/dashboard', 'Nothing has been spent here yet'],
      ['keys', '/dashboard/keys', 'No keys yet'],
      ['requests', '/dashboard/requests', 'No requests yet'],
      ['credentials', '/dashboard/credentials', 'No credential is kept here'],
    ] as const) {
      await page.goto(world.origin + path)
      expect(await page.getByText(words).count(), path).toBe(1)
      await shoot(page, `empty-${name}`)
    }
    expect(faults).toEqual([])
    await context.close()
  })
})
