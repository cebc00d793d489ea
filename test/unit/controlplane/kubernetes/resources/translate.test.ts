/** Our own kinds to configuration objects and statuses: golden files. `UPDATE=1` writes them anew. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { emptySnapshot } from '../../../../../config/decode.ts';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import type { Progress } from '../../../../../controlplane/kubernetes/api/reader.ts';
import { translateResources } from '../../../../../controlplane/kubernetes/resources/translate.ts';
import { checkEnvelope, decodeContent } from '../../../../../controlplane/model/decode-content.ts';
import { idOf } from '../../../../../controlplane/model/object.ts';
import { kubeReader, readManifests } from '../../../../support/kube-reader.ts';

const GOLDEN = 'test/golden/kubernetes/resources';
const NOW = Date.parse('2026-01-01T01:00:00Z');
const PROGRESS: Progress = { selected: 2, acked: 2, serving: 1, failures: [] };

function read(file: string): KubeObject[] {
  return readManifests(`${GOLDEN}/${file}`);
}

describe('translating our own kinds', () => {
  for (const file of readdirSync(GOLDEN).filter((name) => name.endsWith('.in.yaml'))) {
    const objects = read(file);

    it(`gives what ${file.replace('.in.yaml', '.out.yaml')} says, and nothing that proxies would refuse`, () => {
      const {
        objects: contents,
        statuses,
        expired,
        nextExpiry,
      } = translateResources(kubeReader(objects), { now: NOW });
      for (const { content } of contents) {
        expect([idOf(content.key), ...checkEnvelope(content)]).to.deep.equal([idOf(content.key)]);
        expect([idOf(content.key), ...decodeContent(content, emptySnapshot()).faults]).to.have.length(1);
      }
      const out = {
        objects: contents.map(({ owner, content: { key, selector, spec } }) => ({
          id: idOf(key),
          owner: `${owner.kind} ${owner.namespace}/${owner.name}`,
          selector,
          spec: key.kind === 'Secret' ? Object.keys(spec ?? {}) : spec,
        })),
        statuses: statuses.map(({ ref, objects: ids, render }) => ({
          of: `${ref.kind} ${ref.namespace}/${ref.name}`,
          objects: ids,
          status: render(PROGRESS),
        })),
        expired,
        ...(nextExpiry !== undefined && { nextExpiry: new Date(nextExpiry).toISOString() }),
      };
      const path = `${GOLDEN}/${file.replace('.in.yaml', '.out.yaml')}`;
      const text = stringify(out, { lineWidth: 120, aliasDuplicateObjects: false });
      if (process.env['UPDATE'] === '1') writeFileSync(path, text);
      expect(parse(text)).to.deep.equal(parse(readFileSync(path, 'utf8')));
    });

    it(`gives the same for ${file}, whatever the order`, () => {
      const text = (all: readonly KubeObject[]): string => {
        const { statuses, ...rest } = translateResources(kubeReader(all), { now: NOW });
        return JSON.stringify([rest, statuses.map(({ render, ...plan }) => [plan, render(PROGRESS)])]);
      };
      expect(text(objects.toReversed())).to.equal(text(objects));
    });
  }
});
