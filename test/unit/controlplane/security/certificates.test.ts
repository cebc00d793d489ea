import { expect } from 'chai';
import type { PeerCertificate } from 'node:tls';
import { identityOfCertificate } from '../../../../controlplane/security/certificates.ts';

function certificate(subject: object, subjectaltname?: string): PeerCertificate {
  return { subject, subjectaltname, fingerprint256: 'AB:CD' } as unknown as PeerCertificate;
}

const NO_ROLES = { admins: [], readers: [] };

describe('the identity of a client certificate', () => {
  it('may be the nodes that its names say', () => {
    const found = identityOfCertificate(
      certificate({ CN: 'edge-1' }, 'DNS:edge-1, URI:spiffe://mesh/edge-1, IP Address:10.0.0.1, DNS:edge-1.example'),
      NO_ROLES,
    );
    expect(found).to.deep.equal({
      name: 'certificate:CN=edge-1',
      admin: false,
      reader: false,
      nodes: ['edge-1', 'spiffe://mesh/edge-1', 'edge-1.example'],
    });
  });

  it('takes no name for a pattern', () => {
    const found = identityOfCertificate(certificate({ CN: '*' }, 'DNS:*.example, DNS:edge-*, DNS:a*b'), {
      admins: ['nobody'],
      readers: [],
    });
    expect(found.nodes).to.deep.equal([]);
    expect(found.admin).to.equal(false);
  });

  it('is not led astray by separators in quoted names', () => {
    const found = identityOfCertificate(certificate({ CN: 'web' }, 'DNS:"a, DNS:core", DNS:b'), NO_ROLES);
    expect(found.nodes).to.deep.equal(['web', 'a, DNS:core', 'b']);
  });

  it('has the roles of its organisations', () => {
    const admin = identityOfCertificate(certificate({ CN: 'ops', O: ['ACME', 'l7mp:admin'] }), NO_ROLES);
    expect(admin).to.include({ admin: true, reader: true }).and.deep.include({ nodes: [] });
    const reader = identityOfCertificate(certificate({ CN: 'grafana', O: 'l7mp:reader' }), NO_ROLES);
    expect(reader).to.include({ admin: false, reader: true }).and.deep.include({ nodes: [] });
    const both = identityOfCertificate(certificate({ CN: 'x', O: ['l7mp:reader', 'l7mp:proxy'] }), NO_ROLES);
    expect(both)
      .to.include({ reader: true })
      .and.deep.include({ nodes: ['x'] });
  });

  it('has the roles that options give to its names', () => {
    const roles = { admins: ['ops-*'], readers: ['grafana'] };
    expect(identityOfCertificate(certificate({ CN: 'ops-anna' }), roles).admin).to.equal(true);
    expect(identityOfCertificate(certificate({ CN: 'x' }, 'DNS:ops-bert'), roles).admin).to.equal(true);
    expect(identityOfCertificate(certificate({ CN: 'grafana' }), roles)).to.include({ admin: false, reader: true });
    expect(identityOfCertificate(certificate({ CN: 'grafana2' }), roles).reader).to.equal(false);
  });

  it('says in URIs what labels a node may have, which are no names', () => {
    const labelsOf = (names: string) => {
      const { nodes, labels } = identityOfCertificate(certificate({ CN: 'edge-1' }, names), NO_ROLES);
      expect(nodes).to.deep.equal(['edge-1']);
      return labels && { values: [...labels.values], only: labels.only };
    };
    expect(labelsOf('DNS:edge-1')).to.equal(undefined);
    expect(labelsOf('URI:l7mp:labels?tenant=a&site=north%2Bx&tenant=b')).to.deep.equal({
      values: [
        ['tenant', ['a', 'b']],
        ['site', ['north+x']],
      ],
      only: false,
    });
    expect(labelsOf('URI:l7mp:labels?tenant=a, URI:"L7MP:only-labels?site=n,m"')).to.deep.equal({
      values: [
        ['tenant', ['a']],
        ['site', ['n,m']],
      ],
      only: true,
    });
    expect(labelsOf('URI:l7mp:only-labels')).to.deep.equal({ values: [], only: true });
    for (const typo of [
      'URI:l7mp:label?tenant=a',
      'URI:l7mp:labels',
      'URI:l7mp:labels/tenant=a',
      'URI:l7mp://tenant=a',
    ]) {
      expect(() => labelsOf(typo), typo).to.throw(/^expected a certificate with l7mp:labels/u);
    }
    const named = identityOfCertificate(certificate({ CN: 'l7mp:labels?a=b' }, 'DNS:l7mp:labels?a=b'), NO_ROLES);
    expect(named.labels, 'no URI').to.equal(undefined);
  });

  it('is told by its fingerprint where it has no name', () => {
    expect(identityOfCertificate(certificate({}), NO_ROLES).name).to.equal('certificate:AB:CD');
  });
});
