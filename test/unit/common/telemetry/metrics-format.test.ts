/** Which format scrapers get, by what they say. */
import { expect } from 'chai';
import { formatFor } from '../../../../common/telemetry/metrics-format.ts';

const CASES: readonly (readonly [accept: string | undefined, format: string])[] = [
  [undefined, 'prometheus'],
  ['', 'prometheus'],
  ['*/*', 'prometheus'],
  ['application/*', 'prometheus'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'prometheus'],
  // Prometheus 2.30, 2.42, 3, and 3 that is told to prefer text.
  ['application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1', 'openmetrics'],
  [
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'openmetrics',
  ],
  [
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
    'openmetrics',
  ],
  ['text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.2', 'prometheus'],
  ['application/openmetrics-text', 'openmetrics'],
  ['Application/OpenMetrics-Text ; Version="1.0.0" ; charset=utf-8', 'openmetrics'],
  ['application/openmetrics-text;version=2.0.0', 'prometheus'],
  ['application/openmetrics-text;q=0', 'prometheus'],
  ['application/openmetrics-text;q=x', 'prometheus'],
  ['application/openmetrics-text, */*', 'openmetrics'],
  ['application/openmetrics-text;q=0.5, */*;q=0.8', 'prometheus'],
  ['application/openmetrics-text;q=0.5, text/plain;q=0.1, */*', 'openmetrics'],
];

describe('the format of the page of metrics', () => {
  for (const [accept, format] of CASES) {
    it(`is ${format} for ${accept ?? 'those who say nothing'}`, () => {
      expect(formatFor(accept)).to.equal(format);
    });
  }
});
