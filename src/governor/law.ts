import type { BoardSample, EnergyShare, Reading } from '../protocol/index.ts';
import { collectConditions, type Obstacle } from './conditions.ts';
import { CpuSurplus } from './cpu-surplus.ts';
import { DailyEnergy } from './daily.ts';
import { EVEN, guardsOf, MARGIN } from './guards.ts';
import { Means } from './means.ts';
import { PowerMeter } from './meter.ts';
import { Planner } from './planner.ts';
import { type Allowance, Purse } from './purse.ts';
import { packState, unpackState } from './saved-state.ts';
import type { Work } from './paces.ts';
import { believableJ, busyOf, type RunningStep } from './running-step.ts';
import { powerKey, StepModel } from './step-model.ts';
import { QuietWatch } from './quiet.ts';
import { type Stretch, Stretches } from './stretch.ts';
import { ThermalLimiter } from './thermal.ts';
import { Trim } from './trim.ts';
import type { Decision, GovernorState, GovernorStep, Grant, Law, LawOptions } from './types.ts';

/** Idle is believed only after so long without a step. */
const IDLE_AFTER_MS = 4000;
/** Nobody is told to wait longer than this without asking again: limits change. */
const LONGEST_WAIT_MS = 1000;
/** Work counts as paced when a step had to wait within this time. */
const PACED_FOR_MS = 2000;
/** The trim goes by a mean over this time. */
const MEAN_MS = 10_000;
/** Smoothing of what the model thinks the work draws; about a sensor's lag. */
const EXPECTED_SETTLE_MS = 1000;

/** Of 100 errors that are spread normally one is larger than so many standard deviations. */
const ONE_IN_A_HUNDRED = 2.33;
/**
 * More of the budget is not kept clear of them. A sensor's own noise is in them too: on a live simulated
 * board, 0.3 held all windows with a fifth of the budget unused.
 */
const MOST_OFF = 0.12;

/** The step that rates are stated for. */
const TYPICAL: GovernorStep = { phase: 'decode', rows: 1, position: 256 };

/** See `Law` for what it promises. */
export function createLaw(options: LawOptions): Law {
  const { board, model } = options;
  const saved = unpackState(options.state);
  let settings = options.settings;
  let now = options.nowMs;

  const steps = new StepModel(board, model, saved?.steps);
  const meter = new PowerMeter(settings, board, saved?.idle);
  const quiet = new QuietWatch(options.nowMs);
  const thermal = new ThermalLimiter(settings.temperatureLimitC, now);
  const day = new DailyEnergy(settings.energyWhPerDay, now, saved?.day);
  const trim = new Trim(saved?.trim);
  const stretches = new Stretches();
  const means = new Means();
  const surplus = new CpuSurplus(board.cores);
  const planner = new Planner(board, steps, settings.budgetW);

  let running: RunningStep | undefined;
  let phase: GovernorStep['phase'] = 'decode';
  let lastPhase: GovernorStep['phase'] = 'decode';
  let lastWorkMs = -Infinity;
  let lastWaitMs = -Infinity;
  let lastSampleMs: number | undefined;
  /** The model's idea of the present work watts, smoothed. */
  let expectedW = 0;
  let bookedSinceSampleJ = 0;
  /** Measured energy that no step has been given its share of yet. */
  let unsharedJ = 0;
  let dearest = 0;
  /** Until then the 10 s mean still tells of another budget. */
  let trimFromMs = now + MEAN_MS;
  let allowance = allow();
  const purse = new Purse(settings, allowance, now);

  /** The first token after a prompt finds its caches cold: it is a kind of step of its own. */
  const nameWork = (step: GovernorStep): Work => ({
    ...step,
    first: step.phase === 'decode' && lastPhase === 'prefill',
  });

  function tick(nowMs: number): void {
    now = Math.max(now, Number.isFinite(nowMs) ? nowMs : now);
  }

  /** Work's part of the budget, before guards. */
  function workBudgetW(): number {
    const idleW = settings.scope === 'above_idle' ? 0 : meter.idleW();
    return Math.max(0, settings.budgetW - idleW);
  }

  function allow(): Allowance {
    const budgetW = workBudgetW();
    const guard = guardsOf(meter.status(now), steps.sigma(planner.point, phase));
    const promisedW = budgetW * Math.min(1 - MARGIN, (1 - guard.even) * (1 + trim.value));
    const { share, hold } = thermal.view(now);
    const spent = day.leftJ(now) <= 0;
    return {
      budgetW,
      promisedW,
      strictW: budgetW * (1 - guard.strict),
      secondsOffW: budgetW * Math.min(MOST_OFF, ONE_IN_A_HUNDRED * stretches.secondsOff),
      effectiveW: hold !== null || spent ? 0 : Math.min(promisedW * EVEN, budgetW * share),
      idleW: settings.scope === 'above_idle' ? 0 : meter.idleW(),
    };
  }

  function refresh(): void {
    allowance = allow();
    purse.allow(allowance, now, planner.mixing ? allowance.effectiveW : 0);
  }

  function obstacle(): Obstacle | null {
    if (workBudgetW() <= 0) return 'idle_above_budget';
    if (day.leftJ(now) <= 0) return 'day_spent';
    const { hold, share } = thermal.view(now);
    if (hold !== null) return hold;
    if (share <= 0) return 'too_hot';
    // What was asked for last, as long as anybody asks.
    const asking = running !== undefined || now - Math.max(lastWaitMs, lastWorkMs) < IDLE_AFTER_MS;
    const joules = asking && dearest > 0 ? dearest : steps.joules(planner.point, TYPICAL);
    return joules > purse.mostJ ? 'below_step' : null;
  }

  /** Puts the part of the running step that lies before `toMs` into the present stretch. */
  function account(toMs: number, joules: number): void {
    if (running === undefined) return;
    stretches.work(running.key, joules, running.accountedMs, toMs);
    running.accountedMs = toMs;
    running.accountedJ += joules;
    bookedSinceSampleJ += joules;
  }

  /** Energy of the running step if it has been at work until now. */
  const spentJ = (step: RunningStep): number => believableJ(step, step.watts, now - step.startMs);

  function finish(joules: number, fromMs: number): void {
    if (running === undefined) return;
    account(now, joules - running.accountedJ);
    purse.book(joules, running.debitedJ, fromMs, now);
    day.add(joules);
    lastWorkMs = now;
    lastPhase = running.work.phase;
    running = undefined;
  }

  function learn(stretch: Stretch): void {
    let bookedJ = 0;
    for (const joules of stretch.shares.values()) bookedJ += joules;
    if (!(bookedJ > 0)) return;
    const off = Math.abs(stretch.measuredJ - bookedJ);
    // A sensor that repeats itself to the last bit tells nothing new, unless it agrees.
    if (meter.sameForMs(now) > stretch.toMs - stretch.fromMs && off > 0.2 * bookedJ) return;
    steps.learnWatts(stretch.shares, stretch.measuredJ);
    const most = 0.5 * bookedJ;
    const extraJ = Math.min(most, Math.max(-most, stretch.measuredJ - bookedJ));
    purse.correct(extraJ, stretch.fromMs, stretch.toMs);
    day.add(extraJ);
    unsharedJ += extraJ;
  }

  function takeSample(sample: BoardSample): void {
    thermal.observe(sample);
    const elapsedMs = lastSampleMs === undefined ? 0 : Math.max(0, now - lastSampleMs);
    lastSampleMs = now;
    if (running !== undefined) {
      account(now, spentJ(running) - running.accountedJ);
    }
    const elapsedS = Math.min(elapsedMs / 1000, 1);
    if (elapsedMs > 0) {
      const bookedW = bookedSinceSampleJ / (elapsedMs / 1000);
      expectedW += (bookedW - expectedW) * Math.min(1, elapsedMs / EXPECTED_SETTLE_MS);
      bookedSinceSampleJ = 0;
    }
    quiet.observe(sample, now);
    const restedMs = Math.min(now - lastWorkMs, quiet.forMs(now));
    const idle = running === undefined && restedMs > IDLE_AFTER_MS;
    const workW = meter.observe({ ...sample, atMs: now }, expectedW, idle);
    if (workW === null || elapsedMs > 3000) {
      stretches.drop();
      addSurplus(sample);
    } else {
      const stretch = stretches.read(workW, meter.readAtMs);
      if (stretch !== null) learn(stretch);
    }
    const reading = readWatts();
    if (elapsedS > 0 && reading.ok) means.add(reading.value, elapsedS, now);
    trimBy(elapsedS);
  }

  /** Without a sensor, CPU time that no step explains is booked as well. */
  function addSurplus(sample: BoardSample): void {
    const found = surplus.observe(sample);
    const coreW = board.coreWatts(1, sample.freqKhz);
    if (found === null || !(found.seconds > 0) || !Number.isFinite(coreW)) return;
    const extraJ = found.seconds * coreW;
    purse.correct(extraJ, found.fromMs, now);
    day.add(extraJ);
    bookedSinceSampleJ += extraJ;
  }

  function trimBy(elapsedS: number): void {
    const { status } = meter.status(now);
    const { s10 } = means.read(now);
    const paced = now - lastWaitMs < PACED_FOR_MS && now - lastWorkMs < PACED_FOR_MS;
    const wantedW = workBudgetW() * (1 - 2 * MARGIN);
    const held = allowance.effectiveW < allowance.promisedW * EVEN;
    if (now < trimFromMs || status !== 'ok' || !paced || held || s10 === null || !(wantedW > 0))
      return;
    const workW = settings.scope === 'above_idle' ? s10 : s10 - meter.idleW();
    const { even } = guardsOf(meter.status(now), steps.sigma(planner.point, phase));
    trim.step((wantedW - workW) / wantedW, elapsedS, even / (1 - even));
  }

  function readWatts(): Reading<'w'> {
    const reading = meter.reading(now);
    if (reading.ok || settings.scope === 'rail') return reading;
    return {
      ok: true,
      value: expectedW + (settings.scope === 'board' ? meter.idleW() : 0),
      unit: 'w',
      ageMs: 0,
      quality: 'estimated',
      source: 'model',
    };
  }

  return {
    observe(sample) {
      tick(sample.atMs);
      takeSample(sample);
    },
    ask(step, nowMs): Grant {
      tick(nowMs);
      phase = step.phase;
      if (running) finish(spentJ(running), running.startMs);
      refresh();
      const work = nameWork(step);
      const joules = steps.joules(planner.point, work);
      dearest = joules;
      const again = now + LONGEST_WAIT_MS;
      if (obstacle() !== null) {
        lastWaitMs = now;
        return { kind: 'wait', untilMs: again };
      }
      const at = purse.earliest(joules, steps.seconds(planner.point, work) * 1000, now);
      if (at <= now + 0.5) return { kind: 'run' };
      lastWaitMs = now;
      return { kind: 'wait', untilMs: Math.min(at, again) };
    },
    mayFollow(step, nowMs) {
      tick(nowMs);
      if (running === undefined) return false;
      refresh();
      if (obstacle() !== null) return false;
      const work = { ...step, first: running.work.phase === 'prefill' };
      const seconds =
        steps.seconds(planner.point, running.work) + steps.seconds(planner.point, work);
      const joules = steps.joules(planner.point, work);
      return purse.coversBoth(running.debitedJ, joules, seconds * 1000, now);
    },
    begin(step, nowMs) {
      tick(nowMs);
      const work = nameWork(step);
      const debitedJ = steps.joules(planner.point, work);
      purse.debit(debitedJ, now);
      phase = step.phase;
      lastWorkMs = now;
      running = {
        point: planner.point,
        work,
        startMs: now,
        debitedJ,
        watts: steps.watts(planner.point, work),
        busyW: steps.busyWatts(planner.point, work),
        key: powerKey(planner.point, step.phase),
        accountedMs: now,
        accountedJ: 0,
      };
    },
    end(report, nowMs): EnergyShare {
      tick(nowMs);
      const measured = meter.status(now).status === 'ok';
      if (running === undefined) return { joules: 0, measured };
      const took = Number.isFinite(report.durationMs)
        ? Math.max(0, report.durationMs)
        : now - running.startMs;
      const { point, work } = running;
      const busyMs = busyOf(report, took, point.threads, board.cores);
      let busyW = running.busyW;
      // The clock changed under the step: neither its time nor its watts are those of one point.
      if (point === planner.point) steps.learnSeconds(point, work, took / 1000, busyMs / 1000);
      else busyW = Math.max(busyW, steps.busyWatts(planner.point, work));
      const joules = believableJ(running, busyW, busyMs);
      surplus.explain(point.threads, busyMs / 1000);
      finish(joules, now - Math.min(took, now - running.startMs));
      // What measuring found later goes to the steps that follow, and no share is below zero.
      const extra = Math.min(joules, Math.max(-joules / 2, unsharedJ));
      unsharedJ -= extra;
      return { joules: joules + extra, measured };
    },
    abandon(nowMs) {
      tick(nowMs);
      if (running) finish(spentJ(running), running.startMs);
    },
    decide(nowMs): Decision {
      tick(nowMs);
      refresh();
      const working =
        now - Math.max(lastWorkMs, lastWaitMs) < PACED_FOR_MS || running !== undefined;
      const filled = purse.depthJ > 0 ? purse.balanceJ / purse.depthJ : 0;
      planner.plan({ phase, budgetW: allowance.effectiveW, filled, working }, now);
      const blocked = obstacle();
      const view = thermal.view(now);
      const status = meter.status(now);
      const meanW = means.read(now);
      const drawnW = steps.watts(planner.point, TYPICAL);
      const duty =
        blocked !== null ? 0 : Math.min(1, allowance.effectiveW / Math.max(1e-9, drawnW));
      const stepS = steps.seconds(planner.point, TYPICAL);
      let state: GovernorState = now - lastWaitMs < PACED_FOR_MS ? 'pacing' : 'open';
      if (view.hot) state = 'hot';
      if (blocked !== null && blocked !== 'too_hot') state = 'paused';
      return {
        state,
        pausedBy:
          blocked === null
            ? null
            : blocked === 'too_hot' || blocked === 'throttled'
              ? 'thermal'
              : 'power',
        point: planner.point,
        order: planner.order(),
        chunkRows: planner.chunkRows,
        effectiveBudgetW: blocked === null ? allowance.effectiveW : 0,
        allowedTokensPerS: duty / stepS,
        duty,
        means: meanW,
        watts: readWatts(),
        idleW: meter.idleW(),
        stale: status.everRead && status.status !== 'ok',
        conditions: collectConditions({
          blocked,
          settings,
          idleW: meter.idleW(),
          status,
          thermal: view,
          mean60W: meanW.s60,
          stepJ: dearest,
          hoursLeft: day.hoursLeft,
        }),
      };
    },
    applied(order, nowMs) {
      tick(nowMs);
      planner.applied(order, planner.order(), workBudgetW());
    },
    update(next, nowMs) {
      tick(nowMs);
      if (next.budgetW !== settings.budgetW || next.scope !== settings.scope) {
        trimFromMs = now + MEAN_MS;
      }
      // Spent on top of the smaller budget, it would come back as a hole ten seconds later.
      if (next.budgetW < settings.budgetW) purse.forfeit();
      settings = next;
      meter.update(next);
      thermal.setLimit(next.temperatureLimitC);
      day.setLimit(next.energyWhPerDay);
      allowance = allow();
      purse.configure(next, allowance, now);
    },
    estimatedJoules: (step) => steps.joules(planner.point, nameWork(step)),
    snapshot: () =>
      packState({
        steps: steps.learnt(),
        idle: meter.learnt(),
        trim: trim.integral,
        day: day.state(),
      }),
  };
}
