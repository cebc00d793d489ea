/** The kinds of Gateway API v1.6 (gateway.networking.k8s.io), as far as they are read. Types only. */
import type { GatewayParameters } from './gateway-parameters.ts';
import type { Condition, KubeObject } from './object.ts';

export interface GatewayKinds {
  readonly GatewayClass: GatewayClass;
  readonly GatewayParameters: GatewayParameters;
  readonly Gateway: Gateway;
  readonly ListenerSet: ListenerSet;
  readonly HTTPRoute: HTTPRoute;
  readonly GRPCRoute: GRPCRoute;
  readonly TLSRoute: TLSRoute;
  readonly TCPRoute: TCPRoute;
  readonly UDPRoute: UDPRoute;
  readonly BackendTLSPolicy: BackendTLSPolicy;
  readonly ReferenceGrant: ReferenceGrant;
}

export type RouteKind = 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute' | 'TCPRoute' | 'UDPRoute';
export type AnyRoute = HTTPRoute | GRPCRoute | TLSRoute | TCPRoute | UDPRoute;

/** Where `group` and `kind` are absent, the field that has the reference says what is meant. */
export interface ObjectReference {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
}

export type GatewayClass = KubeObject<{ readonly controllerName: string; readonly parametersRef?: ObjectReference }>;

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

export interface FromNamespaces {
  readonly from?: 'All' | 'Selector' | 'Same' | 'None';
  readonly selector?: LabelSelector;
}

export interface RouteGroupKind {
  readonly group?: string;
  readonly kind: string;
}

export interface GatewayListener {
  readonly name: string;
  readonly hostname?: string;
  readonly port: number;
  /** `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or one of ours, as in `l7mp.io/WebSocket`. */
  readonly protocol: string;
  readonly tls?: {
    readonly mode?: 'Terminate' | 'Passthrough';
    readonly certificateRefs?: readonly ObjectReference[];
    readonly options?: Readonly<Record<string, string>>;
  };
  readonly allowedRoutes?: { readonly namespaces?: FromNamespaces; readonly kinds?: readonly RouteGroupKind[] };
}

export interface FrontendValidation {
  readonly caCertificateRefs: readonly ObjectReference[];
  readonly mode?: 'AllowValidOnly' | 'AllowInsecureFallback';
}

export interface GatewayAddress {
  /** `IPAddress` when absent. */
  readonly type?: string;
  /** Empty: any of the type. */
  readonly value?: string;
}

export interface GatewaySpec {
  readonly gatewayClassName: string;
  readonly listeners?: readonly GatewayListener[];
  readonly addresses?: readonly GatewayAddress[];
  readonly infrastructure?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly parametersRef?: ObjectReference;
  };
  readonly allowedListeners?: { readonly namespaces?: FromNamespaces };
  readonly tls?: {
    readonly backend?: { readonly clientCertificateRef?: ObjectReference };
    readonly frontend?: {
      readonly default?: { readonly validation?: FrontendValidation };
      readonly perPort?: readonly {
        readonly port: number;
        readonly tls: { readonly validation?: FrontendValidation };
      }[];
    };
  };
  /** Of the experimental channel. */
  readonly defaultScope?: string;
}

export type Gateway = KubeObject<GatewaySpec>;

export type ListenerSet = KubeObject<{
  readonly parentRef: ObjectReference;
  readonly listeners?: readonly GatewayListener[];
}>;

export interface ParentReference extends ObjectReference {
  readonly sectionName?: string;
  readonly port?: number;
}

export interface BackendReference extends ObjectReference {
  readonly port?: number;
  /** 1 when absent. */
  readonly weight?: number;
}

export interface RouteStatus {
  readonly parents?: readonly {
    readonly parentRef: ParentReference;
    readonly controllerName: string;
    readonly conditions?: readonly Condition[];
  }[];
}

interface Parents {
  readonly parentRefs?: readonly ParentReference[];
}

interface StreamRoute extends Parents {
  readonly rules?: readonly { readonly name?: string; readonly backendRefs?: readonly BackendReference[] }[];
}

export type TCPRoute = KubeObject<StreamRoute, RouteStatus>;
export type UDPRoute = KubeObject<StreamRoute, RouteStatus>;
export type TLSRoute = KubeObject<StreamRoute & { readonly hostnames?: readonly string[] }, RouteStatus>;

export interface HeaderValue {
  readonly name: string;
  readonly value: string;
}

export interface HeaderFilter {
  readonly set?: readonly HeaderValue[];
  readonly add?: readonly HeaderValue[];
  readonly remove?: readonly string[];
}

export interface PathModifier {
  readonly type: 'ReplaceFullPath' | 'ReplacePrefixMatch';
  readonly replaceFullPath?: string;
  readonly replacePrefixMatch?: string;
}

export interface RouteFilter {
  readonly type: string;
  readonly requestHeaderModifier?: HeaderFilter;
  readonly responseHeaderModifier?: HeaderFilter;
  readonly requestMirror?: {
    readonly backendRef: BackendReference;
    readonly percent?: number;
    readonly fraction?: { readonly numerator: number; readonly denominator?: number };
  };
  readonly requestRedirect?: {
    readonly scheme?: string;
    readonly hostname?: string;
    readonly path?: PathModifier;
    readonly port?: number;
    readonly statusCode?: number;
  };
  readonly urlRewrite?: { readonly hostname?: string; readonly path?: PathModifier };
  readonly cors?: {
    readonly allowOrigins?: readonly string[];
    readonly allowCredentials?: boolean;
    readonly allowMethods?: readonly string[];
    readonly allowHeaders?: readonly string[];
    readonly exposeHeaders?: readonly string[];
    readonly maxAge?: number;
  };
}

/** A match of a header field or a query parameter; `Exact` when it has no type. */
export interface ValueMatch extends HeaderValue {
  readonly type?: 'Exact' | 'RegularExpression';
}

export interface HTTPRouteMatch {
  readonly path?: { readonly type?: 'Exact' | 'PathPrefix' | 'RegularExpression'; readonly value?: string };
  readonly headers?: readonly ValueMatch[];
  readonly queryParams?: readonly ValueMatch[];
  readonly method?: string;
}

export interface FilteredBackend extends BackendReference {
  readonly filters?: readonly RouteFilter[];
}

interface RuleParts {
  readonly name?: string;
  readonly filters?: readonly RouteFilter[];
  readonly backendRefs?: readonly FilteredBackend[];
  /** Of the experimental channel. */
  readonly sessionPersistence?: SessionPersistence;
}

export interface SessionPersistence {
  readonly sessionName?: string;
  /** A duration. */
  readonly absoluteTimeout?: string;
  /** `Cookie` when absent. */
  readonly type?: string;
  /** `Session` when absent. */
  readonly cookieConfig?: { readonly lifetimeType?: string };
}

export interface HTTPRouteRule extends RuleParts {
  readonly matches?: readonly HTTPRouteMatch[];
  readonly timeouts?: { readonly request?: string; readonly backendRequest?: string };
  readonly retry?: { readonly codes?: readonly number[]; readonly attempts?: number; readonly backoff?: string };
}

export type HTTPRoute = KubeObject<
  Parents & { readonly hostnames?: readonly string[]; readonly rules?: readonly HTTPRouteRule[] },
  RouteStatus
>;

export interface GRPCRouteMatch {
  readonly method?: {
    readonly type?: 'Exact' | 'RegularExpression';
    readonly service?: string;
    readonly method?: string;
  };
  readonly headers?: readonly ValueMatch[];
}

export interface GRPCRouteRule extends RuleParts {
  readonly matches?: readonly GRPCRouteMatch[];
}

export type GRPCRoute = KubeObject<
  Parents & { readonly hostnames?: readonly string[]; readonly rules?: readonly GRPCRouteRule[] },
  RouteStatus
>;

export interface PolicyTarget {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly sectionName?: string;
}

export type BackendTLSPolicy = KubeObject<{
  readonly targetRefs: readonly PolicyTarget[];
  readonly validation: {
    readonly caCertificateRefs?: readonly ObjectReference[];
    readonly wellKnownCACertificates?: string;
    readonly hostname: string;
    readonly subjectAltNames?: readonly { readonly type: string; readonly hostname?: string; readonly uri?: string }[];
  };
  readonly options?: Readonly<Record<string, string>>;
}>;

export type ReferenceGrant = KubeObject<{
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[];
}>;
