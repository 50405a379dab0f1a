import { describeResult, type LawResult, type VerificationReport } from './report.ts'

/**
 * A report as JUnit XML, which CI servers read: a test case a law, with its failure; what was skipped, or does not
 * apply, with its reason.
 */
export function toJUnit(report: VerificationReport): string {
  const { laws, durationMs } = report
  const failures = laws.filter(isBroken).length
  const skipped = laws.filter(({ status }) => status === 'skipped' || status === 'notApplicable').length
  const counts = `tests="${laws.length}" failures="${failures}" errors="0" skipped="${skipped}" time="${(durationMs / 1_000).toFixed(3)}"`
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="switchgear" ${counts}>`,
    `  <testsuite name="switchgear verify" ${counts}>`,
    `    <properties><property name="seed" value="${report.seed}"/></properties>`,
    ...laws.map(testCase),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n')
}

function isBroken({ status }: LawResult): boolean {
  return status === 'failed' || status === 'vacuous'
}

function testCase(law: LawResult): string {
  const [group = '', ...rest] = law.name.split('.')
  const opening = `    <testcase classname="${escaped(group)}" name="${escaped(rest.join('.'))}"`
  if (law.status === 'passed') return `${opening}/>`
  const inner = isBroken(law)
    ? `<failure type="${law.status}" message="${escaped(law.reason ?? law.status)}">${escaped(describeResult(law))}</failure>`
    : `<skipped message="${escaped(`${law.status}: ${law.reason ?? ''}`)}"/>`
  return `${opening}>\n      ${inner}\n    </testcase>`
}

/** XML 1.0 has no place for control characters, escaped or not. */
function escaped(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '�')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
