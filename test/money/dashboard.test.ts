/** The dashboard about money above keys: projects, budgets that need a look, traffic that nobody knows the price of. */
import { expect, test } from 'vitest'
import { openRig } from '../admin/rig.ts'

test('projects stand below the keys, passed soft limits and unpriced traffic on the overview, all of it escaped', async () => {
  const rig = await openRig()
  try {
    const page = async (path: string) => {
      const answer = await rig.call('GET', path)
      expect(answer.status).toBe(200)
      return answer.text()
    }
    expect(await page('/dashboard/keys')).not.toContain('Projects')
    expect(await page('/dashboard')).not.toMatch(/Unpriced|soft limit/)
    const made = await rig.call('POST', '/admin/v1/projects', {
      id: 'team',
      name: '<b>Team</b>',
      budgets: [
        { window: 'month', usd: 1, soft_usd: 0.25 },
        { window: 'day', usd: 0.5, per: 'user' },
      ],
    })
    expect(made.status).toBe(201)
    const { key } = await rig.deps.keys.create({ name: 'app', project: 'team' })
    rig.spend(key, { costNanoUsd: 300_000_000, user: 'ada' })
    rig.spend(key, { costNanoUsd: null, priceId: null })
    await rig.ledger.fold()
    const keys = await page('/dashboard/keys')
    expect(keys).toContain('&lt;b&gt;Team&lt;/b&gt;')
    expect(keys).not.toContain('<b>Team</b>')
    expect(keys).toMatch(/each user/)
    const overview = await page('/dashboard')
    expect(overview).toMatch(/is past the soft limit of.*budget per.*month/s)
    expect(overview).toMatch(/Unpriced traffic/)
    expect(await page(`/dashboard/keys/${key.id}`)).toMatch(/Project<\/dt><dd[^>]*>team/)
  } finally {
    await rig.close()
  }
})
